// Signs in with the one-time code in the address, and takes it out of the address.

import { $, t } from './core.js';

const code = location.hash.slice(1);
history.replaceState(null, '', location.pathname);
if (code) {
  const form = $('enter');
  form.elements.code.value = code;
  form.submit();
} else {
  $('state').textContent = t('enter.none');
}
