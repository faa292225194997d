// A video on a stage of its own, with its settings and what may be done with it.

import { el, icon, iconButton, t } from './core.js';
import { contentOf, nameOf, remixURL, settingsOf } from './card.js';

/** play shows a finished job. */
export function play(job) {
  const file = job.result.files.find((f) => f.role === 'video') ?? job.result.files[0];
  const still = !file.content_type.startsWith('video/');
  const media = still
    ? el('img', { src: contentOf(job, file.role), alt: nameOf(job) })
    : el('video', { src: contentOf(job, 'video'), controls: true, loop: true, autoplay: true, playsinline: true, 'aria-label': nameOf(job) });
  const title = el('h2', { id: 'player-title', dir: 'auto' }, nameOf(job));
  const shut = iconButton('close', t('close'), () => dialog.close());
  shut.classList.add('shut');
  const dialog = el('dialog', { 'aria-labelledby': 'player-title' },
    el('div', { class: 'player' },
      el('div', { class: 'stage' }, media),
      shut,
      el('aside', {},
        title,
        el('div', { class: 'acts' },
          el('a', { class: 'button', href: contentOf(job, file.role), download: `kinora-${job.id}${still ? '.webp' : '.mp4'}` }, icon('save'), t('download')),
          el('a', { class: 'button', href: remixURL(job) }, icon('remix'), t('remix'))),
        settingsOf(job),
        job.notes?.length ? el('ul', { class: 'stack small soft' }, ...job.notes.map((n) => el('li', { dir: 'auto' }, n))) : null)));
  dialog.addEventListener('close', () => dialog.remove());
  dialog.addEventListener('click', (event) => { if (event.target === dialog) dialog.close(); });
  document.body.append(dialog);
  dialog.showModal();
}
