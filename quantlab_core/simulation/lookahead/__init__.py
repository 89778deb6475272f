"""The look-ahead audit (rule C8): the future of a call is cut or changed, and what was known must stay."""
