// Columns as wide as their reader wants them: dragged at their edge, or drawn by keys there. The list's own form keeps them.

const STEP = 16;
const LEAP = 64;
const IDLE_MS = 800;
// As the server says it.
const TICKS = 60;

const grips = (table) => [...table.querySelectorAll("thead .grip")];
const width = (grip) => Number(grip.getAttribute("aria-valuenow"));
const measured = (grip) => Math.round(grip.closest("th").getBoundingClientRect().width);

function bounded(grip, wanted) {
  const [least, most] = ["aria-valuemin", "aria-valuemax"].map((name) => Number(grip.getAttribute(name)));
  return Math.min(most, Math.max(least, Math.round(wanted)));
}

/** Shows the columns as wide as their grips say; the last one takes what is left over. */
function lay(table) {
  const all = grips(table);
  const cols = [...table.querySelectorAll("col[data-field]")];
  cols.forEach((col, at) => {
    if (at === cols.length - 1) col.removeAttribute("width");
    else col.setAttribute("width", width(all[at]));
  });
  const tick = table.querySelector("col.tick") ? TICKS : 0;
  table.querySelector("col.tick")?.setAttribute("width", TICKS);
  table.setAttribute("width", all.reduce((sum, grip) => sum + width(grip), tick));
}

/** From now on the columns are as wide as they stand there. */
function begin(table) {
  if (table.classList.contains("sized")) return;
  const widths = grips(table).map(measured);
  grips(table).forEach((grip, at) => grip.setAttribute("aria-valuenow", bounded(grip, widths[at])));
  lay(table);
  table.classList.add("sized");
}

function draw(grip, wanted) {
  const table = grip.closest("table");
  grip.setAttribute("aria-valuenow", bounded(grip, wanted));
  lay(table);
}

/** As wide as what stands in it. */
function fit(grip) {
  const place = [...grip.closest("tr").children].indexOf(grip.closest("th")) + 1;
  const cells = grip.closest("table").querySelectorAll(`tbody td:nth-child(${place}) > .cell`);
  const padding = 28;
  draw(grip, Math.max(0, ...[...cells].map((cell) => cell.scrollWidth)) + padding);
}

function keep(table) {
  const form = document.getElementById("widths");
  if (!form || !table.isConnected) return;
  const drawn = grips(table).map((grip) => `${grip.dataset.grip}:${width(grip)}`).join(" ");
  if (form.elements.widths.value === drawn) return;
  form.elements.widths.value = drawn;
  form.requestSubmit();
}

export function startWidths() {
  let drag = null;
  let timer = null;
  let drawn = null;

  const keepDrawn = () => {
    clearTimeout(timer);
    if (drawn) keep(drawn);
    drawn = null;
  };

  document.addEventListener("pointerdown", (event) => {
    const grip = event.target.closest?.(".grip");
    if (!grip || event.button) return;
    event.preventDefault();
    begin(grip.closest("table"));
    grip.setPointerCapture(event.pointerId);
    drag = { grip, from: event.clientX, width: measured(grip), before: width(grip), moved: false };
  });
  document.addEventListener("pointermove", (event) => {
    if (!drag) return;
    drag.moved ||= Math.abs(event.clientX - drag.from) > 2;
    if (drag.moved) draw(drag.grip, drag.width + event.clientX - drag.from);
  });
  document.addEventListener("pointerup", () => {
    if (drag?.moved) keep(drag.grip.closest("table"));
    drag = null;
  });
  document.addEventListener("pointercancel", () => {
    if (drag) draw(drag.grip, drag.before);
    drag = null;
  });
  document.addEventListener("dblclick", (event) => {
    const grip = event.target.closest?.(".grip");
    if (!grip) return;
    fit(grip);
    keep(grip.closest("table"));
  });

  document.addEventListener("focusin", (event) => {
    const grip = event.target.closest?.(".grip");
    // Until something is drawn, only the page knows how wide a column is.
    if (grip && !grip.closest("table").classList.contains("sized")) grip.setAttribute("aria-valuenow", bounded(grip, measured(grip)));
  });
  document.addEventListener("focusout", (event) => {
    if (event.target.closest?.(".grip")) keepDrawn();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && drag) {
      draw(drag.grip, drag.before);
      drag = null;
      return;
    }
    const grip = event.target.closest?.(".grip");
    if (!grip || event.ctrlKey || event.metaKey || event.altKey) return;
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const end = { Home: "aria-valuemin", End: "aria-valuemax" }[event.key];
    if (!by && !end && event.key !== "Enter") return;
    event.preventDefault();
    const table = grip.closest("table");
    begin(table);
    if (by) draw(grip, width(grip) + by * (event.shiftKey ? LEAP : STEP));
    else if (end) draw(grip, Number(grip.getAttribute(end)));
    else fit(grip);
    grip.scrollIntoView({ block: "nearest", inline: "nearest" });
    drawn = table;
    clearTimeout(timer);
    timer = setTimeout(keepDrawn, IDLE_MS);
  });
}
