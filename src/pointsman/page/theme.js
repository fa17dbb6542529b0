// Sets the colours before anything is drawn, and so is no module; main.js has the switch.
{
  let theme = null;
  try {
    theme = localStorage.getItem("pointsman.theme");
  } catch {
    // The browser keeps nothing for us.
  }
  document.documentElement.dataset.theme = theme ?? "auto";
}
