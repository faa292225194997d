// The form for a key: it is sent once, and the key is not kept in the page.

const form = document.querySelector('form');
form.addEventListener('submit', () => {
  form.querySelector('button').disabled = true;
});
addEventListener('pageshow', () => { form.querySelector('button').disabled = false; });
