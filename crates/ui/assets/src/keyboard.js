// Keys: "/" search, "?" help, "g" then a letter goes somewhere, "n" new, "e" edit, "j"/"k" through a list's rows.
// What a key does is written in the page (data-key on a link or button), so it follows the page's language and rights.

const SEQUENCE_MS = 1200;

const typing = (element) =>
  element?.closest?.("input:not([type=checkbox], [type=radio], [type=submit], [type=button]), textarea, select, [contenteditable=true]");

function press(key) {
  const target = [...document.querySelectorAll(`[data-key="${CSS.escape(key)}"]`)].find((it) => it.checkVisibility?.() ?? true)
    ?? document.querySelector(`#navigation [data-key="${CSS.escape(key)}"]`);
  if (!target) return false;
  if (target.matches("input")) {
    target.focus();
    target.select();
  } else {
    target.click();
  }
  return true;
}

function step(by) {
  const links = [...document.querySelectorAll("tr[data-row] a.row-link")];
  if (!links.length) return false;
  const at = links.findIndex((link) => link.closest("tr").contains(document.activeElement));
  const next = links[at < 0 ? (by > 0 ? 0 : links.length - 1) : Math.min(links.length - 1, Math.max(0, at + by))];
  next.focus();
  next.scrollIntoView({ block: "nearest" });
  return true;
}

export function startKeyboard() {
  let prefix = "";
  let since = 0;

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) {
      // Saving a form by Ctrl+Enter works from any of its fields.
      if ((event.ctrlKey || event.metaKey) && event.key === "Enter") {
        const form = event.target.closest?.("form[data-guard]");
        if (form) {
          event.preventDefault();
          form.requestSubmit();
        }
      }
      return;
    }
    if (typing(event.target)) {
      if (event.key === "Escape" && !event.defaultPrevented) event.target.blur();
      return;
    }
    if (document.querySelector("dialog[open]")) return;

    const sequence = prefix && event.timeStamp - since < SEQUENCE_MS ? `${prefix} ${event.key}` : "";
    prefix = "";
    if (sequence && press(sequence)) {
      event.preventDefault();
    } else if (event.key === "g") {
      prefix = "g";
      since = event.timeStamp;
    } else if (event.key === "?") {
      document.getElementById("keys")?.showModal();
      event.preventDefault();
    } else if (event.key === "j" || event.key === "k") {
      if (step(event.key === "j" ? 1 : -1)) event.preventDefault();
    } else if (event.key.length === 1 && press(event.key)) {
      event.preventDefault();
    }
  });

  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-opens]");
    if (opener) document.getElementById(opener.dataset.opens)?.showModal();
    const dialog = event.target.closest("dialog");
    if (dialog && event.target === dialog) dialog.close();
  });
}
