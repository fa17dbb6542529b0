// Sets the colours before anything is drawn; main.js has the switch.
document.documentElement.dataset.theme = localStorage.getItem("pointsman.theme") ?? "auto";
