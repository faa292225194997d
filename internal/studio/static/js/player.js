// A video on a stage of its own, with its settings and what may be done with it.

import { api, complain, el, icon, iconButton, t, toast } from './core.js';
import { contentOf, extendURL, nameOf, remixURL, settingsOf, starButton } from './card.js';
import { jobs } from './live.js';
import { curl, go, python } from './snippets.js';

/** play shows a finished job. */
export function play(job) {
  const file = job.result.files.find((f) => f.role === 'video') ?? job.result.files[0];
  const still = !file.content_type.startsWith('video/');
  const media = still
    ? el('img', { src: contentOf(job, file.role), alt: nameOf(job) })
    : el('video', { src: contentOf(job, 'video'), controls: true, loop: true, autoplay: true, playsinline: true, 'aria-label': nameOf(job) });
  const shut = iconButton('close', t('close'), () => dialog.close());
  shut.classList.add('shut');
  const dialog = el('dialog', { 'aria-labelledby': 'player-title' },
    el('div', { class: 'player' },
      el('div', { class: 'stage' }, media),
      shut,
      el('aside', {},
        el('h2', { id: 'player-title', dir: 'auto' }, nameOf(job)),
        el('div', { class: 'acts' },
          el('a', { class: 'button', href: contentOf(job, file.role), download: `kinora-${job.id}${still ? '.webp' : '.mp4'}` }, icon('save'), t('download')),
          el('a', { class: 'button', href: remixURL(job) }, icon('remix'), t('remix')),
          still ? null : el('a', { class: 'button', href: extendURL(job) }, icon('longer'), t('extend')),
          starButton(job)),
        tagsOf(job),
        settingsOf(job),
        job.notes?.length ? el('ul', { class: 'stack small soft' }, ...job.notes.map((n) => el('li', { dir: 'auto' }, n))) : null,
        copies(job))));
  dialog.addEventListener('close', () => dialog.remove());
  dialog.addEventListener('click', (event) => { if (event.target === dialog) dialog.close(); });
  document.body.append(dialog);
  dialog.showModal();
}

/** tagsOf are a job's tags, and a field for another one. */
function tagsOf(job) {
  const list = el('ul', { class: 'chips' });
  const field = el('input', { type: 'text', maxlength: '40', dir: 'auto', placeholder: t('tag.add'), 'aria-label': t('tag.add') });
  const set = async (tags) => {
    try {
      jobs.put(await api('PATCH', '/jobs/' + job.id, { tags }));
      draw();
    } catch (err) { complain(err); }
  };
  const tags = () => jobs.get(job.id)?.tags ?? job.tags;
  const draw = () => list.replaceChildren(...tags().map((tag) => el('li', {}, el('button', {
    type: 'button', class: 'chip', 'aria-label': t('tag.remove', { tag }), onclick: () => set(tags().filter((one) => one !== tag)),
  }, el('span', { dir: 'auto' }, tag), icon('close')))));
  draw();
  return el('form', {
    class: 'tags', onsubmit: (event) => {
      event.preventDefault();
      if (!field.value.trim()) return;
      set([...tags(), field.value.trim()]);
      field.value = '';
    },
  }, list, field);
}

/** copies are buttons that copy the job as a request. */
function copies(job) {
  const copy = (name, text) => el('button', {
    type: 'button', class: 'chip', onclick: async () => {
      try { await navigator.clipboard.writeText(text); toast(t('copied', { name })); } catch { toast(t('copy.failed')); }
    },
  }, name);
  return el('div', { class: 'chips', role: 'group', 'aria-label': t('copy') }, el('span', { class: 'soft small' }, icon('code'), ' ', t('copy')),
    copy('curl', curl(job)), copy('Go', go(job)), copy('Python', python(job)));
}
