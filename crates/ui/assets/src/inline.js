// Forms that open beside what they are about: Escape puts them away, and the focus goes where it came from.

export function startInline() {
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.defaultPrevented) return;
    const form = event.target.closest?.("form[data-inline]");
    if (!form || form.querySelector("[role=combobox][aria-expanded=true]")) return;
    event.preventDefault();
    form.querySelector("[data-cancel]")?.click();
  });
  document.addEventListener("htmx:afterSettle", (event) => {
    const form = event.detail.elt?.closest?.("form[data-inline]") ?? event.detail.target?.querySelector?.("form[data-inline]");
    form?.querySelector("[autofocus]")?.focus();
  });
}
