"use strict";
// The table of trials sorted by any column; without this script it has the best trial first.
const table = document.querySelector(".trials");
if (table) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const key = (row, at) => {
    const cell = row.cells[at];
    return cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value);
  };
  heads.forEach((head, at) => {
    const text = head.textContent;
    const button = document.createElement("button");
    button.textContent = text;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const rises = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", rises ? "ascending" : "descending");
      const rows = [...body.rows].sort((one, other) => {
        const a = key(one, at), b = key(other, at);
        const order = typeof a === "number" && typeof b === "number"
          ? (Number.isNaN(a) - Number.isNaN(b)) || a - b
          : String(a).localeCompare(String(b));
        return rises ? order : -order;
      });
      body.append(...rows);
    });
  });
}
