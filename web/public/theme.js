// Chooses light or dark before the page is painted. The same rule stands in src/shared/browser/theme.ts.
(function () {
  var choice = null;
  try {
    choice = localStorage.getItem('parley.theme');
  } catch {
    // Storage is blocked: follow the system.
  }
  var dark = choice === 'dark' || (choice !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches);
  document.documentElement.dataset.theme = dark ? 'dark' : 'light';
  var meta = document.querySelector('meta[name="theme-color"]');
  if (meta) meta.setAttribute('content', dark ? '#17191c' : '#fbfaf7');
})();
