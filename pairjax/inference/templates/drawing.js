const squares = [...element.querySelectorAll('canvas')];
const buttons = [...element.querySelectorAll('button')];
const answer = element.querySelector('.answer');
const hasInk = squares.map(() => false);
let asking = false;
let changed = false;

// One question at a time: what is drawn meanwhile is asked about next.
async function ask() {
  changed = true;
  if (asking) return;
  asking = true;
  while (changed) {
    changed = false;
    const drawings = squares.map((s, i) => (hasInk[i] ? s.toDataURL('image/png') : null));
    try {
      answer.innerHTML = await server.answer(drawings);
    } catch (error) {
      answer.textContent = 'The program no longer answers: start launch/demo.py again.';
    }
  }
  asking = false;
}

function wipe(i) {
  const context = squares[i].getContext('2d');
  context.fillStyle = '#ffffff';
  context.fillRect(0, 0, squares[i].width, squares[i].height);
  hasInk[i] = false;
}

squares.forEach((square, i) => {
  const context = square.getContext('2d');
  let last = null;
  const place = (event) => {
    const box = square.getBoundingClientRect();
    const scale = square.width / box.width;
    return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
  };
  const draw = (event) => {
    if (last === null) return;
    // A browser joins several moves of a fast hand into one event.
    const moves = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
    for (const move of moves.length ? moves : [event]) {
      const next = place(move);
      context.beginPath();
      context.lineWidth = 20;
      context.lineCap = 'round';
      context.strokeStyle = '#000000';
      context.moveTo(...last);
      context.lineTo(...next);
      context.stroke();
      last = next;
    }
    hasInk[i] = true;
    ask();
  };
  wipe(i);
  square.addEventListener('pointerdown', (event) => {
    if (event.button !== 0) return;
    square.setPointerCapture(event.pointerId);
    last = place(event);
    draw(event);
  });
  square.addEventListener('pointermove', draw);
  for (const end of ['pointerup', 'pointercancel']) {
    square.addEventListener(end, () => { last = null; });
  }
  buttons[i].addEventListener('click', () => { wipe(i); ask(); });
});
