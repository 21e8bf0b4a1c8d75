// Names people in a text: "@" and the beginning of a name offer those who fit. Without script the name is typed in full.

const DELAY_MS = 120;
const BEHIND = /(^|\s)@([\p{L}\p{N}][\p{L}\p{N} .'-]{0,40})$/u;

export function startMentions() {
  let list = null;
  let area = null;
  let timer;
  let asking = new AbortController();

  const options = () => [...(list?.querySelectorAll("[role=option][data-id]") ?? [])];
  const close = () => {
    list?.remove();
    list = null;
    area?.removeAttribute("aria-activedescendant");
    area?.removeAttribute("aria-controls");
  };
  const begun = () => area.value.slice(0, area.selectionStart).match(BEHIND);
  const activate = (option) => {
    for (const other of options()) other.setAttribute("aria-selected", String(other === option));
    if (option) area.setAttribute("aria-activedescendant", option.id);
  };

  const choose = (option) => {
    const typed = begun();
    if (!typed) return close();
    const end = area.selectionStart;
    area.setRangeText(`@${option.dataset.label} `, end - typed[2].length - 1, end, "end");
    area.dispatchEvent(new Event("input", { bubbles: true }));
    close();
    area.focus();
  };

  const look = async () => {
    const typed = area && begun();
    if (!typed) return close();
    asking.abort();
    asking = new AbortController();
    try {
      const answer = await fetch(`${area.dataset.people}?q=${encodeURIComponent(typed[2])}&list=people`, { headers: { "HX-Request": "true" }, signal: asking.signal });
      if (!answer.ok || !begun()) return close();
      close();
      list = document.createElement("div");
      list.id = "people";
      list.className = "people";
      list.setAttribute("role", "listbox");
      list.setAttribute("aria-label", area.labels?.[0]?.textContent ?? "@");
      list.innerHTML = await answer.text();
      area.after(list);
      area.setAttribute("aria-controls", "people");
      if (options().length) activate(options()[0]);
      else close();
    } catch {
      // Superseded by the next letter, or no connection: the name can be typed.
    }
  };

  document.addEventListener("input", (event) => {
    const here = event.target.closest?.("textarea[data-people]");
    if (!here) return;
    area = here;
    clearTimeout(timer);
    timer = setTimeout(look, DELAY_MS);
  });
  document.addEventListener("keydown", (event) => {
    if (!list || event.target !== area) return;
    const all = options();
    const at = all.findIndex((option) => option.getAttribute("aria-selected") === "true");
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      activate(all[(at + (event.key === "ArrowDown" ? 1 : all.length - 1)) % all.length]);
    } else if ((event.key === "Enter" || event.key === "Tab") && all[at]) {
      choose(all[at]);
    } else if (event.key === "Escape") {
      close();
    } else {
      return;
    }
    event.preventDefault();
    event.stopImmediatePropagation();
  }, { capture: true });
  document.addEventListener("mousedown", (event) => {
    const option = event.target.closest?.("#people [role=option][data-id]");
    if (!option) return;
    event.preventDefault();
    choose(option);
  });
  document.addEventListener("focusout", (event) => {
    if (event.target === area) close();
  });
}
