// Light, dark or as the system says: a choice kept in this browser.

const root = document.documentElement;

function show() {
  const chosen = root.dataset.scheme ?? "auto";
  for (const button of document.querySelectorAll("[data-choose-scheme]")) {
    button.setAttribute("aria-pressed", String(button.dataset.chooseScheme === chosen));
  }
}

export function startScheme() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-choose-scheme]");
    if (!button) return;
    const scheme = button.dataset.chooseScheme;
    if (scheme === "auto") delete root.dataset.scheme;
    else root.dataset.scheme = scheme;
    try {
      if (scheme === "auto") localStorage.removeItem("scheme");
      else localStorage.setItem("scheme", scheme);
    } catch {
      // The choice then lasts as long as the page.
    }
    show();
  });
  for (const group of document.querySelectorAll("[data-scheme-choice]")) group.hidden = false;
  show();
}
