// The calendar: what is in it is dragged to another day or time, or moved by keys. Either way the page's one form is sent.

const MINUTES_OF_DAY = 24 * 60;

const minutes = (time) => Number(time.slice(0, 2)) * 60 + Number(time.slice(3, 5));
const clock = (total) => `${String(Math.floor(total / 60)).padStart(2, "0")}:${String(total % 60).padStart(2, "0")}`;

function later(day, days) {
  const date = new Date(`${day}T00:00:00Z`);
  date.setUTCDate(date.getUTCDate() + days);
  return date.toISOString().slice(0, 10);
}

/** The place of a day and time, if the page shows it. */
function cellOf(table, day, time) {
  const cells = [...table.querySelectorAll(`td[data-day="${day}"]`)];
  return cells.find((cell) => cell.dataset.time === undefined || cell.dataset.time.slice(0, 2) === time.slice(0, 2));
}

/** Sends an entry to a day and time. At once where it will be; if the server refuses, its page shows how things are. */
function send(entry, day, time) {
  const form = document.getElementById("reschedule");
  const table = entry.closest("[data-calendar]");
  const here = entry.closest("td[data-day]");
  if (!form || !table || form.dataset.sent || (here.dataset.day === day && entry.dataset.at === time)) return false;
  const cell = cellOf(table, day, time);
  if (cell && cell !== here) {
    const list = cell.querySelector("ul") ?? cell.appendChild(document.createElement("ul"));
    list.prepend(entry);
    cell.classList.remove("free");
  }
  form.dataset.sent = "yes";
  form.elements.record.value = entry.dataset.entry;
  form.elements.version.value = entry.dataset.version;
  form.elements.was.value = entry.dataset.was;
  form.elements.day.value = day;
  form.elements.time.value = time;
  form.requestSubmit();
  return true;
}

/** Puts an entry where it was dropped: in a month at its own time, on an hour at that hour and its own minutes. */
function drop(entry, cell) {
  const { day, time } = cell.dataset;
  const at = entry.dataset.at;
  if (time === undefined) send(entry, day, at);
  else if (time) send(entry, day, at ? `${time.slice(0, 2)}:${at.slice(3, 5)}` : time);
  // An event has a time always.
  else if ("event" in entry.dataset) send(entry, day, at);
  else send(entry, day, "");
}

/** By keys: a day to the side; a week up and down in a month, an hour elsewhere. */
function shift(entry, key) {
  const cell = entry.closest("td[data-day]");
  const { day, time } = cell.dataset;
  const at = entry.dataset.at;
  const side = { ArrowLeft: -1, ArrowRight: 1 }[key];
  if (side) return send(entry, later(day, side), at);
  const down = key === "ArrowDown" ? 1 : -1;
  if (time === undefined) return send(entry, later(day, 7 * down), at);
  if (!at) {
    const first = entry.closest("[data-calendar]").querySelector('td[data-time]:not([data-time=""])');
    return down > 0 && first ? send(entry, day, first.dataset.time) : false;
  }
  const total = minutes(at) + 60 * down;
  return total >= 0 && total < MINUTES_OF_DAY ? send(entry, day, clock(total)) : false;
}

/** Goes to the entry that lies that way. */
function go(link, key) {
  const cells = [...link.closest("[data-calendar]").querySelectorAll("td[data-day]")];
  const cell = link.closest("td[data-day]");
  const own = [...cell.querySelectorAll("a.entry")];
  const by = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[key];
  const row = cell.parentElement.querySelectorAll("td[data-day]").length;
  const across = key === "ArrowLeft" || key === "ArrowRight";
  let next = across ? null : own[own.indexOf(link) + by];
  for (let at = cells.indexOf(cell) + by * (across ? 1 : row); !next && cells[at]; at += by * (across ? 1 : row)) {
    const there = cells[at].querySelectorAll("a.entry");
    next = by > 0 || across ? there[0] : there[there.length - 1];
  }
  next?.focus();
  return Boolean(next);
}

export function startCalendar() {
  let dragged = null;

  document.addEventListener("dragstart", (event) => {
    dragged = event.target.closest?.("[data-entry]") ?? null;
    if (!dragged) return;
    dragged.classList.add("dragged");
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", "");
  });
  document.addEventListener("dragover", (event) => {
    const cell = dragged && event.target.closest?.("td[data-day]");
    for (const other of document.querySelectorAll("td.over")) if (other !== cell) other.classList.remove("over");
    if (!cell) return;
    event.preventDefault();
    cell.classList.add("over");
  });
  document.addEventListener("drop", (event) => {
    const cell = dragged && event.target.closest?.("td[data-day]");
    if (!cell) return;
    event.preventDefault();
    drop(dragged, cell);
  });
  document.addEventListener("dragend", () => {
    dragged?.classList.remove("dragged");
    for (const cell of document.querySelectorAll("td.over")) cell.classList.remove("over");
    dragged = null;
  });

  document.addEventListener("keydown", (event) => {
    const link = event.target.closest?.("[data-calendar] a.entry");
    if (!link || !event.key.startsWith("Arrow") || event.ctrlKey || event.metaKey || event.altKey) return;
    const entry = link.closest("[data-entry]");
    const done = event.shiftKey ? entry && shift(entry, event.key) : go(link, event.key);
    if (done) event.preventDefault();
  });
}
