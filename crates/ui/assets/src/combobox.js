// A relation's field as an ARIA combobox (APG "editable combobox with list autocomplete").
// The server fills the listbox; without script the same text field is looked up when the form is sent.

const DELAY_MS = 120;

function parts(input) {
  const box = input.closest(".combobox");
  return { box, list: box.querySelector("[role=listbox]"), id: box.querySelector("input[type=hidden]") };
}

function open(input, isOpen) {
  const { list } = parts(input);
  list.hidden = !isOpen;
  input.setAttribute("aria-expanded", String(isOpen));
  if (!isOpen) input.removeAttribute("aria-activedescendant");
}

function options(input) {
  return [...parts(input).list.querySelectorAll("[role=option][data-id]")];
}

function activate(input, option) {
  for (const other of options(input)) other.setAttribute("aria-selected", String(other === option));
  if (!option) {
    input.removeAttribute("aria-activedescendant");
    return;
  }
  input.setAttribute("aria-activedescendant", option.id);
  option.scrollIntoView({ block: "nearest" });
}

function choose(input, option) {
  const { id } = parts(input);
  id.value = option.dataset.id;
  input.value = option.dataset.label;
  open(input, false);
  input.dispatchEvent(new Event("chosen", { bubbles: true }));
}

export function startCombobox() {
  const waiting = new WeakMap();
  let asking = new AbortController();

  const look = async (input) => {
    const { list } = parts(input);
    const url = new URL(input.dataset.options, location.href);
    url.searchParams.set("q", input.value);
    url.searchParams.set("list", list.id);
    asking.abort();
    asking = new AbortController();
    try {
      const answer = await fetch(url, { headers: { "HX-Request": "true" }, signal: asking.signal });
      if (!answer.ok) return;
      const options = await answer.text();
      if (document.activeElement !== input) return;
      list.innerHTML = options;
      open(input, true);
      activate(input, null);
    } catch {
      // Superseded by the next letter, or no connection: the field still works as text.
    }
  };

  document.addEventListener("input", (event) => {
    const input = event.target.closest("[role=combobox]");
    if (!input) return;
    parts(input).id.value = "";
    clearTimeout(waiting.get(input));
    waiting.set(input, setTimeout(() => look(input), DELAY_MS));
  });

  document.addEventListener("keydown", (event) => {
    const input = event.target.closest?.("[role=combobox]");
    if (!input) return;
    const { list } = parts(input);
    const all = options(input);
    const at = all.findIndex((option) => option.getAttribute("aria-selected") === "true");
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (list.hidden) {
        look(input);
      } else if (all.length) {
        const by = event.key === "ArrowDown" ? 1 : -1;
        activate(input, all[(at + by + all.length + (at < 0 && by < 0 ? 1 : 0)) % all.length]);
      }
    } else if (event.key === "Enter" && !list.hidden && at >= 0) {
      event.preventDefault();
      choose(input, all[at]);
    } else if (event.key === "Escape" && !list.hidden) {
      event.preventDefault();
      open(input, false);
    } else if (event.key === "Tab" && !list.hidden) {
      if (at >= 0) choose(input, all[at]);
      open(input, false);
    }
  });

  // Keeps the focus in the field while an option is pressed.
  document.addEventListener("mousedown", (event) => {
    if (event.target.closest(".combobox [role=listbox]")) event.preventDefault();
  });
  document.addEventListener("click", (event) => {
    const option = event.target.closest(".combobox [role=option][data-id]");
    if (option) choose(option.closest(".combobox").querySelector("[role=combobox]"), option);
  });
  document.addEventListener("focusout", (event) => {
    const input = event.target.closest?.("[role=combobox]");
    if (input) open(input, false);
  });
}
