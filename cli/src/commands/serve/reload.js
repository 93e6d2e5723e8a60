// Loads the page again when the site is another one than the page was sent from. Pages that nobody sees do not ask: browsers
// keep few connections to one server.
const { search } = new URL(document.currentScript.src);
let waiting;
function ask() {
  waiting?.close();
  if (document.hidden) return;
  waiting = new EventSource(`/-/changes${search}`);
  waiting.addEventListener("change", () => location.reload());
}
document.addEventListener("visibilitychange", ask);
ask();
