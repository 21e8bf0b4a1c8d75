// Fields in order: dragged, or moved by keys. The list's own form is sent, whose buttons do the same without script.

/** Puts an item somewhere and sends the form with the order as it is then. */
function place(item, list, before) {
  const form = item.closest("form[data-order]");
  const section = list.closest("[data-section]");
  if (!form || !section || form.dataset.sent) return;
  form.dataset.sent = "yes";
  list.insertBefore(item, before);
  for (const input of form.querySelectorAll("[data-place] input[name=place]")) {
    const of = input.closest("[data-section]").dataset.section;
    input.value = `${of}.${input.closest("[data-place]").dataset.place}`;
  }
  form.elements.moved.value = item.dataset.place;
  form.requestSubmit();
}

/** The item that the pointer is above the middle of; none below all of them. */
function below(list, y) {
  return [...list.querySelectorAll("[data-place]")].find((item) => {
    const box = item.getBoundingClientRect();
    return y < box.top + box.height / 2;
  }) ?? null;
}

export function startOrder() {
  let dragged = null;

  document.addEventListener("dragstart", (event) => {
    dragged = event.target.closest?.("[data-place]") ?? null;
    if (!dragged) return;
    dragged.classList.add("dragged");
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", "");
  });
  document.addEventListener("dragover", (event) => {
    const list = dragged && event.target.closest?.("[data-section]");
    if (!list) return;
    event.preventDefault();
    for (const other of document.querySelectorAll("[data-place].before")) other.classList.remove("before");
    below(list, event.clientY)?.classList.add("before");
  });
  document.addEventListener("drop", (event) => {
    const section = dragged && event.target.closest?.("[data-section]");
    if (!section) return;
    event.preventDefault();
    const before = below(section, event.clientY);
    if (before !== dragged) place(dragged, section.querySelector("ol"), before);
  });
  document.addEventListener("dragend", () => {
    dragged?.classList.remove("dragged");
    for (const item of document.querySelectorAll("[data-place].before")) item.classList.remove("before");
    dragged = null;
  });

  document.addEventListener("keydown", (event) => {
    const item = event.target.closest?.("[data-place]");
    const name = { ArrowUp: "up", ArrowDown: "down" }[event.key];
    if (!item || !name || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    if (event.shiftKey) {
      item.querySelector(`button[name=${name}]`).click();
    } else {
      const items = [...document.querySelectorAll("[data-place]")];
      items[items.indexOf(item) + (name === "down" ? 1 : -1)]?.querySelector("button[name=up]").focus();
    }
  });
}
