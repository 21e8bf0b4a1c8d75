// Applies the stored colour scheme before the first paint. Runs blocking in <head>, so it stays this small.
try {
  const scheme = localStorage.getItem("scheme");
  if (scheme === "light" || scheme === "dark") document.documentElement.dataset.scheme = scheme;
} catch {
  // Storage may be forbidden; then the system's choice applies.
}
