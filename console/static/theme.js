// Runs before the page is drawn, so that what needs scripts does not appear late.
document.documentElement.classList.add("scripted");
