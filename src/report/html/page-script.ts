/** Sorts out the cards of the gallery; texts are only compared, never inserted. */
export const pageScript = `
'use strict';
const form = document.getElementById('filter');
if (form) {
  const cards = [...document.querySelectorAll('.card')];
  const shown = document.getElementById('shown');
  const update = () => {
    const wanted = new FormData(form);
    const text = String(wanted.get('text') ?? '').trim().toLowerCase();
    let count = 0;
    for (const card of cards) {
      const fits = ['outcome', 'split', 'category'].every((name) => !wanted.get(name) || wanted.get(name) === card.dataset[name]);
      card.hidden = !(fits && card.dataset.text.includes(text));
      if (!card.hidden) count += 1;
    }
    shown.textContent = count + ' of ' + cards.length + ' sentences shown';
  };
  form.addEventListener('input', update);
  form.addEventListener('submit', (event) => event.preventDefault());
  form.hidden = false;
  update();
}
`
