// Moves notices that came with a page into the live region, so that they are announced and outlive the next page.

const LIFETIME_MS = 8000;

function settle() {
  const region = document.getElementById("notices");
  if (!region) return;
  for (const notice of document.querySelectorAll(":is(#main, #notices) .notice[data-passing]")) {
    notice.removeAttribute("data-passing");
    if (notice.parentElement !== region) region.replaceChildren(notice);
    let timer;
    const start = () => {
      timer = setTimeout(() => notice.remove(), LIFETIME_MS);
    };
    notice.addEventListener("mouseenter", () => clearTimeout(timer));
    notice.addEventListener("focusin", () => clearTimeout(timer));
    notice.addEventListener("mouseleave", start);
    start();
    // The address that carried it must not show it again.
    const url = new URL(location.href);
    for (const name of ["notice", "about", "widths-were"]) url.searchParams.delete(name);
    history.replaceState(history.state, "", url);
  }
}

export function startNotices() {
  document.addEventListener("htmx:afterSettle", settle);
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-dismiss]")) event.target.closest(".notice")?.remove();
  });
  document.addEventListener("submit", (event) => {
    const notice = event.target.closest(".notice");
    if (notice) setTimeout(() => notice.remove());
  });
  settle();
}
