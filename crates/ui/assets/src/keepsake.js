// Buttons that keep a list shown once: copy it, save it as a file, print it.

const text = (id) =>
  [...document.querySelectorAll(`#${CSS.escape(id)} li`)].map((item) => item.textContent.trim()).join("\n") + "\n";

function reveal() {
  for (const button of document.querySelectorAll("[data-copies], [data-saves], [data-prints]")) {
    button.hidden = button.hasAttribute("data-copies") && !navigator.clipboard;
  }
}

async function copy(button) {
  await navigator.clipboard.writeText(text(button.dataset.copies));
  const [ask, done] = button.children;
  ask.hidden = true;
  done.hidden = false;
}

function save(button) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text(button.dataset.saves)], { type: "text/plain" }));
  link.download = button.dataset.name;
  link.setAttribute("hx-boost", "false");
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

export function startKeepsake() {
  document.addEventListener("htmx:afterSettle", reveal);
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button?.dataset.copies) copy(button);
    else if (button?.dataset.saves) save(button);
    else if (button?.hasAttribute("data-prints")) print();
  });
  reveal();
}
