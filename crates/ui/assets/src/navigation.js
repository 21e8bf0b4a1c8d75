// Keeps focus, the current entry of the navigation, and the progress line right when only <main> is replaced.

const main = () => document.getElementById("main");

/** The entry whose address the page's address lies under, the longest first. */
function markCurrent() {
  const here = location.pathname;
  for (const link of document.querySelectorAll("#navigation a[href]")) {
    const path = new URL(link.href).pathname;
    const current = path === "/" ? here === "/" : here === path || here.startsWith(`${path}/`);
    if (current) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

/** The sections of Settings scroll by themselves: the one that is open has to be in sight, and the page stays where it is. */
function showCurrentSection() {
  const current = document.querySelector(".sections [aria-current]");
  const sections = current?.closest(".sections");
  if (!sections) return;
  const [inner, outer] = [current.getBoundingClientRect(), sections.getBoundingClientRect()];
  sections.scrollLeft += inner.left - outer.left - (outer.width - inner.width) / 2;
  sections.scrollTop += inner.top - outer.top - (outer.height - inner.height) / 2;
}

export function startNavigation(htmx) {
  showCurrentSection();
  const root = document.documentElement;
  let under_way = 0;

  // What a page asks for by itself, every second or so, is no business of anybody's.
  const quiet = (event) => event.detail.elt?.closest?.("[data-quiet]");

  // The request itself is asked for its end: what sent it may be gone by then, and events of what is gone reach nobody.
  document.addEventListener("htmx:beforeSend", (event) => {
    if (quiet(event)) return;
    under_way += 1;
    root.classList.add("busy");
    const ended = () => {
      under_way -= 1;
      if (!under_way) root.classList.remove("busy");
    };
    event.detail.xhr.addEventListener("loadend", ended, { once: true });
  });

  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.target !== main()) return;
    markCurrent();
    showCurrentSection();
    const navigation = document.getElementById("navigation");
    if (navigation?.matches(":popover-open")) navigation.hidePopover();
    const first = main().querySelector("[autofocus], [aria-invalid=true]") ?? main().querySelector("h1");
    if (!first) return;
    if (first.tagName === "H1") first.tabIndex = -1;
    first.focus({ preventScroll: first.tagName === "H1" });
  });

  // No answer at all: leave the page as it is, say so.
  for (const name of ["htmx:sendError", "htmx:timeout"]) {
    document.addEventListener(name, () => {
      const template = document.getElementById("offline-notice");
      if (template) document.getElementById("notices").replaceChildren(template.content.cloneNode(true));
    });
  }

  // A row is one big target, but its link stays the real thing: modifier keys and middle clicks are left alone.
  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const row = event.target.closest("tr[data-row]");
    if (!row || event.target.closest("a, button, input, label, select") || String(getSelection())) return;
    row.querySelector("a[href]")?.click();
  });

  // The filter's sheet closes like a menu.
  document.addEventListener("click", (event) => {
    for (const open of document.querySelectorAll("details.filter[open]")) {
      if (!open.contains(event.target)) open.open = false;
    }
  });
  document.addEventListener("keydown", (event) => {
    const open = event.key === "Escape" && event.target.closest?.("details.filter[open]");
    if (!open) return;
    open.open = false;
    open.querySelector("summary").focus();
  });

  // Selects and boxes that submit their form by themselves.
  document.addEventListener("change", (event) => {
    const form = event.target.closest("form[data-submit-on-change]");
    // What is put together part by part is finished with a button.
    if (form && !event.target.closest(".condition")) form.requestSubmit();
  });

  // A form with changes asks the browser to warn before the tab closes.
  let changed = false;
  document.addEventListener("input", (event) => {
    if (event.target.closest("form[data-guard]")) changed = true;
  });
  document.addEventListener("submit", () => {
    changed = false;
  });
  document.addEventListener("htmx:afterSettle", (event) => {
    const form = document.querySelector("form[data-guard]");
    // A part of a form that came anew leaves the rest as it was typed.
    if (form?.contains(event.target)) return;
    // A form that came back with errors holds what is not saved yet.
    changed = form !== null && (form.querySelector(".collision") ?? document.querySelector("#main .errors")) !== null;
  });
  addEventListener("beforeunload", (event) => {
    if (changed && document.querySelector("form[data-guard]")) event.preventDefault();
  });

  htmx.onLoad(() => {
    for (const button of document.querySelectorAll("[data-back]")) button.hidden = history.length < 2;
  });
}
