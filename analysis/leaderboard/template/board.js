(function () {
  "use strict";

  const root = document.documentElement;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");

  // ---- dark and light: the system's choice until the reader makes another

  let chosen = null;
  function paint() {
    root.classList.toggle("dark", chosen === null ? dark.matches : chosen);
  }
  dark.addEventListener("change", paint);
  const theme = document.getElementById("theme");
  theme.hidden = false;
  theme.addEventListener("click", () => {
    chosen = !root.classList.contains("dark");
    paint();
  });
  paint();

  // ---- tables, which stand in the page: sorted and filtered, nothing is computed

  const library = document.getElementById("library-tables");
  if (!library) {
    root.dataset.ready = "true";
    return;
  }
  const OVER = 1, DATA = 2;

  function exactly(table, column, value) {
    table.column(column).search.fixed("chosen", value === "" ? null : (text) => text === value).draw();
  }

  async function enhance() {
    const script = new Blob([JSON.parse(library.textContent)], { type: "text/javascript" });
    const url = URL.createObjectURL(script);
    const { default: DataTable } = await import(url);
    URL.revokeObjectURL(url);
    const options = {
      paging: false, info: false, order: [], autoWidth: false, language: { search: "Filter" }, layout: { topStart: null },
    };
    const slice = document.getElementById("slice");
    const data = document.getElementById("data");
    const board = new DataTable("#table-board", {
      ...options,
      columnDefs: [{ targets: OVER, visible: false }, { targets: DATA, visible: data !== null }],
    });
    slice.addEventListener("change", () => exactly(board, OVER, slice.value));
    exactly(board, OVER, slice.value);
    if (data) {
      data.addEventListener("change", () => exactly(board, DATA, data.value));
    }
    document.querySelector(".controls").hidden = false;
    for (const table of document.querySelectorAll("table.ranks, table.pairs")) {
      new DataTable(table, options);
    }
  }
  enhance().then(() => { root.dataset.ready = "true"; });
})();
