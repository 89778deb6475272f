"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  table.tHead.querySelectorAll("th").forEach((head, column) => {
    const button = document.createElement("button");
    button.textContent = head.textContent;
    button.title = "sort by " + head.textContent;
    head.textContent = "";
    head.append(button);
    button.addEventListener("click", () => {
      const falls = head.getAttribute("aria-sort") !== "descending";
      for (const other of table.tHead.querySelectorAll("th")) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", falls ? "descending" : "ascending");
      const value = row => row.cells[column].dataset.v;
      const order = (a, b) => {
        const [left, right] = [value(a), value(b)];
        if (left === undefined || right === undefined) {
          const texts = a.cells[column].textContent.localeCompare(b.cells[column].textContent);
          return left === right ? (falls ? -texts : texts) : left === undefined ? 1 : -1;
        }
        return (falls ? -1 : 1) * (left - right);
      };
      body.append(...Array.from(body.rows).sort(order));
    });
  });
}

