(function () {
  "use strict";

  const root = document.documentElement;
  const quiet = window.matchMedia("(prefers-reduced-motion: reduce)");
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const DIGITS = 4;
  const PAGE = 15;
  const ERRORS_ONLY = 1;
  const NAMES = 0.4; // of the width of a chart

  // ---- dark and light: the system's choice until the reader makes another

  let chosen = null;
  function paint() {
    root.classList.toggle("dark", chosen === null ? dark.matches : chosen);
  }
  dark.addEventListener("change", paint);
  document.getElementById("theme").addEventListener("click", () => {
    chosen = !root.classList.contains("dark");
    paint();
  });
  paint();

  // ---- libraries, as modules from the page's own text

  const parsed = (element) => JSON.parse(element.textContent);

  async function load(id) {
    const script = new Blob([parsed(document.getElementById(id))], { type: "text/javascript" });
    const url = URL.createObjectURL(script);
    try {
      return await import(url);
    } finally {
      URL.revokeObjectURL(url);
    }
  }
  const plots = load("library-plots").then(() => window.vegaEmbed);
  let tables = null;
  const dataTables = () => (tables ??= load("library-tables").then((module) => module.default));

  // ---- charts

  const config = parsed(document.getElementById("config"));

  async function draw(place, panels) {
    const embed = await plots;
    place.replaceChildren();
    for (const panel of panels) {
      const box = document.createElement("div");
      box.className = "panel";
      box.classList.toggle("square", panel.square);
      box.classList.toggle("rigid", panel.rigid);
      box.classList.toggle("narrow", panel.width < 200);
      box.style.setProperty("--width", panel.width + "px");
      place.append(box);
    }
    const boxes = [...place.children];
    await Promise.all(panels.map(async (panel, k) => {
      // Where there is little room names are cut, with an ellipsis; the tooltip has them whole.
      const labelLimit = Math.min(config.axis.labelLimit, NAMES * boxes[k].clientWidth);
      const options = {
        renderer: "svg",
        actions: false,
        logLevel: ERRORS_ONLY,
        config: { ...config, axis: { ...config.axis, labelLimit } },
      };
      const { view } = await embed(boxes[k], panel.spec, options);
      view.addEventListener("click", (event, item) => {
        const name = item && item.datum && item.datum.case;
        if (name !== undefined) {
          show(place.closest("section"), name);
        }
      });
    }));
    place.dataset.drawn = panels.length;
  }

  function drawPicture(pictures) {
    const number = pictures.querySelector("select").selectedIndex;
    const script = pictures.querySelectorAll("script")[number];
    return draw(pictures.querySelector(".panels"), parsed(script));
  }

  // Charts are drawn when they are about to be seen.
  const waiting = new Map();
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting) {
        seen.unobserve(entry.target);
        waiting.get(entry.target)();
      }
    }
  }, { rootMargin: "300px" });
  function later(element, action) {
    waiting.set(element, action);
    seen.observe(element);
  }

  for (const figure of document.querySelectorAll("figure.chart:not(.lead)")) {
    const place = figure.querySelector(".panels");
    later(figure, () => draw(place, parsed(figure.querySelector("script"))));
  }
  for (const pictures of document.querySelectorAll(".pictures")) {
    const select = pictures.querySelector("select");
    if (select) {
      select.addEventListener("change", () => drawPicture(pictures));
      later(pictures, () => drawPicture(pictures));
    }
  }

  // ---- tables

  // DataTables takes text to be HTML where it shows and searches.
  const escaper = document.createElement("span");
  function escaped(text) {
    escaper.textContent = text;
    return escaper.innerHTML;
  }
  const brief = (value) =>
    Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(DIGITS)));

  function shown(value, type) {
    if (value === null) {
      return type === "sort" ? -Infinity : "";
    }
    if (typeof value === "number") {
      return type === "display" ? brief(value) : value;
    }
    return type === "sort" ? value : escaped(value);
  }

  // ---- files

  function save(name, text, type) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = name;
    link.click();
    URL.revokeObjectURL(link.href);
  }

  // Rows as they are filtered and sorted, numbers with all digits. DataTables' own export takes what looks
  // like HTML out of names.
  const quoted = (value) =>
    /[",\r\n]/.test(value) ? `"${String(value).replaceAll('"', '""')}"` : String(value ?? "");
  function saveTable(details, shown) {
    const head = [...details.querySelectorAll("thead th")].map((cell) => cell.textContent);
    const rows = shown.rows({ search: "applied", order: "applied" }).data().toArray();
    const lines = [head, ...rows].map((row) => row.map(quoted).join(","));
    save(`${details.dataset.name}.csv`, `\ufeff${lines.join("\r\n")}\r\n`, "text/csv;charset=utf-8");
  }

  const made = new WeakMap();
  function table(details) {
    if (!made.has(details)) {
      const data = parsed(details.querySelector("script"));
      made.set(details, dataTables().then((DataTable) => new DataTable(
        details.querySelector("table"),
        {
          data,
          columnDefs: [{ targets: "_all", render: shown }],
          deferRender: true,
          searching: true,
          ordering: true,
          order: [],
          paging: data.length > PAGE,
          pageLength: PAGE,
          lengthChange: false,
          autoWidth: false,
          language: { search: "Filter", info: "_START_ to _END_ of _TOTAL_" },
          layout: {
            topStart: {
              buttons: [{ text: "CSV", action: (event, shown) => saveTable(details, shown) }],
            },
          },
        })));
    }
    return made.get(details);
  }
  for (const details of document.querySelectorAll("details.data")) {
    details.addEventListener("toggle", () => details.open && table(details));
    details.querySelector(".only button").addEventListener("click", () => only(details, null));
  }

  async function only(details, name) {
    const data = await table(details);
    const column = Number(details.querySelector("table").dataset.filter);
    const same = name === null ? null : (text, row) => row[column] === name;
    data.column(column).search.fixed("case", same).draw();
    const line = details.querySelector(".only");
    line.hidden = name === null;
    line.querySelector("span").textContent = name === null ? "" : "Only " + name;
  }

  // A click on a point shows the case: its rows, and its picture if there is one.
  async function show(section, name) {
    const details = section && [...section.querySelectorAll("details.data")]
      .find((each) => each.querySelector("table[data-filter]"));
    if (!details) {
      return;
    }
    const option = [...section.querySelectorAll(".pictures option")]
      .find((each) => each.dataset.case === name);
    if (option && !option.selected) {
      option.selected = true;
      await drawPicture(option.closest(".pictures"));
    }
    details.open = true;
    await only(details, name);
    details.scrollIntoView({ block: "nearest", behavior: quiet.matches ? "auto" : "smooth" });
  }

  // ---- report cards

  for (const button of document.querySelectorAll("button.save")) {
    button.addEventListener("click", () => {
      const text = parsed(button.closest("details").querySelector("script"));
      save(button.dataset.name, text, "text/markdown");
    });
  }

  // ---- where one is

  const links = new Map([...document.querySelectorAll(".links a")].map((a) => [a.hash.slice(1), a]));
  const reading = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      links.get(entry.target.id)?.classList.toggle("here", entry.isIntersecting);
    }
  }, { rootMargin: "-30% 0px -65% 0px" });
  for (const id of links.keys()) {
    reading.observe(document.getElementById(id));
  }

  // ---- ready once what is seen first is drawn

  const lead = document.querySelector("figure.lead");
  const first = lead ? draw(lead.querySelector(".panels"), parsed(lead.querySelector("script"))) : plots;
  first.then(() => { root.dataset.ready = "true"; });
})();
