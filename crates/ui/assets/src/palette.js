// The palette: Ctrl+K (or ⌘K) opens it, what is typed is looked up, arrows choose, Enter goes there.

const DELAY_MS = 90;

export function startPalette(htmx) {
  const dialog = () => document.getElementById("palette");
  const input = () => dialog().querySelector("[data-palette]");
  const list = () => document.getElementById("palette-list");
  const options = () => [...list().querySelectorAll("a[role=option]")];
  let waiting;
  let asked;

  function choose(option) {
    for (const other of options()) other.setAttribute("aria-selected", String(other === option));
    if (!option) return;
    option.id ||= `palette-${options().indexOf(option)}`;
    input().setAttribute("aria-activedescendant", option.id);
    option.scrollIntoView({ block: "nearest" });
  }

  async function look() {
    asked?.abort();
    asked = new AbortController();
    try {
      const answer = await fetch(`/palette?q=${encodeURIComponent(input().value)}`, { headers: { "HX-Request": "true" }, signal: asked.signal });
      if (!answer.ok) return;
      list().innerHTML = await answer.text();
      choose(options()[0]);
    } catch {
      // Superseded by the next letter, or no connection.
    }
  }

  function open() {
    if (!dialog() || dialog().open) return;
    input().value = "";
    list().replaceChildren();
    dialog().showModal();
    look();
  }

  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "k") {
      event.preventDefault();
      open();
      return;
    }
    if (!event.target.matches?.("[data-palette]")) return;
    const all = options();
    const at = all.findIndex((option) => option.getAttribute("aria-selected") === "true");
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      choose(all[(at + (event.key === "ArrowDown" ? 1 : -1) + all.length) % all.length]);
    } else if (event.key === "Enter") {
      event.preventDefault();
      const option = all[at];
      if (option) option.click();
    }
  });
  document.addEventListener("input", (event) => {
    if (!event.target.matches("[data-palette]")) return;
    clearTimeout(waiting);
    waiting = setTimeout(look, DELAY_MS);
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-opens-palette]")) open();
    const option = event.target.closest("#palette-list a[role=option]");
    if (!option) return;
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    const link = document.createElement("a");
    link.href = option.href;
    dialog().close();
    link.hidden = true;
    // A link like any other, so that it is followed as the others are; it goes with the page it stands on.
    document.getElementById("main").append(link);
    htmx.process(link);
    link.click();
  });
}
