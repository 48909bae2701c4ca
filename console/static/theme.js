// Runs before the page is drawn: without an explicit choice the page follows the system's colours.
const root = document.documentElement;
const system = window.matchMedia("(prefers-color-scheme: dark)");
const follow = () => {
  if (root.dataset.theme === "auto") root.dataset.bsTheme = system.matches ? "dark" : "light";
};
follow();
system.addEventListener("change", follow);
root.classList.add("scripted");
