// Loads the page again when the site has changed.
new EventSource("/-/changes").addEventListener("change", () => location.reload());
