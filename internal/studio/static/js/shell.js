// The frame around every page: theme, language, menu, and how many jobs are under way.

import { $, int } from './core.js';
import { jobs } from './live.js';

for (const set of document.querySelectorAll('[data-choose]')) {
  set.addEventListener('change', (event) => {
    const secure = location.protocol === 'https:' ? '; secure' : '';
    document.cookie = `${set.dataset.choose}=${event.target.value}; path=/studio/; max-age=31536000; samesite=strict${secure}`;
    if (set.dataset.choose === 'kinora_theme') {
      document.documentElement.dataset.theme = event.target.value;
      $('choose').closest('details').open = true;
      return;
    }
    location.reload();
  });
}

const menu = document.querySelector('.menu');
document.addEventListener('click', (event) => {
  if (menu?.open && !menu.contains(event.target)) menu.open = false;
});
document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && menu?.open) {
    menu.open = false;
    menu.querySelector('summary').focus();
  }
});

const count = $('count');
jobs.watch(() => {
  if (!count) return;
  const n = jobs.inFlight().length;
  count.hidden = n === 0;
  count.textContent = int(n);
});
