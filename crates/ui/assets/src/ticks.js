// Rows that are ticked: how many, and none again. "x" ticks the row that has the focus.

const ticks = () => [...document.querySelectorAll("td.tick input")];

function count() {
  const place = document.querySelector("[data-ticked-count]");
  if (place) place.textContent = String(ticks().filter((tick) => tick.checked).length);
}

export function startTicks() {
  let last = null;
  document.addEventListener("change", (event) => {
    if (event.target.matches("td.tick input")) count();
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-untick]")) {
      for (const tick of ticks()) tick.checked = false;
      count();
    }
    const tick = event.target.closest("td.tick input");
    if (!tick) return;
    if (event.shiftKey && last?.isConnected) {
      const all = ticks();
      const [from, to] = [all.indexOf(last), all.indexOf(tick)].sort((a, b) => a - b);
      for (const between of all.slice(from, to + 1)) between.checked = tick.checked;
      count();
    }
    last = tick;
  });
  document.addEventListener("keydown", (event) => {
    const row = event.key === "x" && event.target.matches?.(".row-link") && event.target.closest("tr[data-row]");
    const tick = row && row.querySelector("td.tick input");
    if (!tick || event.ctrlKey || event.metaKey || event.altKey) return;
    tick.checked = !tick.checked;
    count();
    event.preventDefault();
  });
  document.addEventListener("htmx:afterSettle", count);
  count();
}
