// Two videos side by side, in step.

import { el, iconButton, icon, t } from './core.js';
import { contentOf, nameOf, settingsOf } from './card.js';

const drift = 0.06; // seconds that the two may be apart

/** compare shows two finished jobs. */
export function compare(a, b) {
  const videos = [a, b].map((job) => el('video', { src: contentOf(job, 'video'), muted: true, playsinline: true, preload: 'auto', 'aria-label': nameOf(job) }));
  const [first, second] = videos;
  const line = el('input', { type: 'range', min: '0', max: '1000', value: '0', step: '1', 'aria-label': t('position') });
  const button = el('button', { type: 'button', 'aria-label': t('play') }, icon('pause'));
  const length = () => Math.max(first.duration || 0, second.duration || 0);

  // The longer one leads; the other follows it, and waits at its end.
  const leader = () => ((second.duration || 0) > (first.duration || 0) ? second : first);
  const seek = (time) => { for (const v of videos) v.currentTime = Math.min(time, v.duration || time); };
  const toggle = (on) => {
    for (const v of videos) if (on) { v.muted = true; v.play().catch(() => {}); } else v.pause();
    button.replaceChildren(icon(on ? 'pause' : 'play'));
    button.setAttribute('aria-label', t(on ? 'pause' : 'play'));
  };
  button.addEventListener('click', () => toggle(leader().paused));
  line.addEventListener('input', () => { toggle(false); seek(line.value / 1000 * length()); });
  for (const v of videos) v.addEventListener('ended', () => { if (v === leader()) { seek(0); toggle(true); } });

  let frame;
  const step = () => {
    const lead = leader(), other = lead === first ? second : first;
    if (!lead.paused && !other.ended && Math.abs(lead.currentTime - other.currentTime) > drift) other.currentTime = Math.min(lead.currentTime, other.duration || 0);
    if (length()) line.value = Math.round(lead.currentTime / length() * 1000);
    frame = requestAnimationFrame(step);
  };

  const shut = iconButton('close', t('close'), () => dialog.close());
  shut.classList.add('shut');
  const dialog = el('dialog', { class: 'wide', 'aria-label': t('compare') },
    el('div', { class: 'player two' }, shut,
      ...[a, b].map((job, i) => el('figure', {}, el('div', { class: 'stage' }, videos[i]), el('figcaption', {}, el('h2', { dir: 'auto' }, nameOf(job)), settingsOf(job)))),
      el('div', { class: 'together' }, button, line)));
  dialog.addEventListener('close', () => { cancelAnimationFrame(frame); toggle(false); dialog.remove(); });
  dialog.addEventListener('click', (event) => { if (event.target === dialog) dialog.close(); });
  document.body.append(dialog);
  dialog.showModal();
  button.focus();
  toggle(true);
  step();
}
