// Sort the rows of each group by a column: by number where a cell starts with one, else by text; empty cells last.
const value = (row, column) => {
  const text = row.cells[column].textContent.trim();
  const number = text.replace(/^[▲▼○?] /, "").replaceAll("−", "-").match(/^[+-]?\d[\d.]*(e[+-]?\d+)?/);
  return number ? Number(number[0]) : text;
};
const order = (a, b) =>
  typeof a === typeof b ? (typeof a === "number" ? a - b : a.localeCompare(b)) : typeof a === "number" ? -1 : 1;
for (const button of document.querySelectorAll(".sortable th button")) {
  button.addEventListener("click", () => {
    const header = button.parentElement, table = header.closest("table"), column = header.cellIndex;
    const descending = header.getAttribute("aria-sort") === "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", descending ? "descending" : "ascending");
    for (const body of table.tBodies) {
      const rows = [...body.rows].filter((row) => !row.classList.contains("group"));
      const [full, empty] = [true, false].map((some) => rows.filter((row) => (value(row, column) !== "") === some));
      full.sort((a, b) => (descending ? -1 : 1) * order(value(a, column), value(b, column)));
      body.append(...full, ...empty);
    }
  });
}
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((each) => (each.open = true)));
