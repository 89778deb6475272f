"""Reports: result tables made readable for people, as one HTML page without outside resources."""
