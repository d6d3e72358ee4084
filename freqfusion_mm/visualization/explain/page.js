'use strict';
const data = JSON.parse(document.getElementById('data').textContent);
const SIDES = ['left', 'right'];
/* x and y are shares of the photograph: of the network's input it fills the upper left, and models pad differently. */
const state = { fusion: data.fusions.length - 1, x: 0.5, y: 0.5, left: { model: 0, map: 'after' }, right: { model: data.models.length - 1, map: 'after' } };
const unpacked = new Map();
const pictures = new Map();
const element = (id) => document.getElementById(id);
const view = (side) => data.fusions[state.fusion].views[state[side].model];

/** The place, in shares of the input of this side's model. */
function placeOn(side) {
  const [height, width] = data.models[state[side].model].filled;
  return { x: state.x * width, y: state.y * height };
}

/** Whole numbers of two bytes, compressed by zlib, as numbers. */
async function unpack(array) {
  if (!unpacked.has(array)) {
    const bytes = Uint8Array.from(atob(array.bytes), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'));
    const whole = new Int16Array(await new Response(stream).arrayBuffer());
    unpacked.set(array, Float32Array.from(whole, (each) => each * array.unit));
  }
  return unpacked.get(array);
}

async function picture(uri) {
  if (!pictures.has(uri)) {
    const image = new Image();
    image.src = uri;
    await image.decode();
    pictures.set(uri, image);
  }
  return pictures.get(uri);
}

/** The stored pixel that is nearest to the place: its row and column on the fine map, and where its numbers begin. */
function pixelAt(place, seen, array) {
  const at = [place.y, place.x].map((part, axis) => {
    const stored = Math.floor((part * seen.fine[axis]) / seen.step);
    return Math.min(Math.max(stored, 0), array.shape[axis] - 1);
  });
  const length = array.shape[2] * array.shape[3];
  const [row, column] = at.map((each) => each * seen.step + Math.floor(seen.step / 2));
  return { row, column, first: (at[0] * array.shape[1] + at[1]) * length, length };
}

async function numbersAt(place, seen, which) {
  const array = seen[which];
  if (!array) return null;
  const pixel = pixelAt(place, seen, array);
  const numbers = (await unpack(array)).subarray(pixel.first, pixel.first + pixel.length);
  return { ...pixel, numbers, rows: array.shape[2], columns: array.shape[3] };
}

function fill(select, entries, chosen) {
  select.replaceChildren(...entries.map(([value, text]) => new Option(text, value, false, String(value) === String(chosen))));
}

/** Height and width of the photograph in pixels of this side's input. */
function imageSize(side) {
  const { shape, filled } = data.models[state[side].model];
  return shape.map((length, axis) => length * filled[axis]);
}

/** Part of the input that the zoom shows: left, top, width and height, of 1. */
function window_(side) {
  const [height, width] = data.models[state[side].model].shape;
  const size = Math.min(...imageSize(side)) / Number(element('zoom').value);
  const w = size / width, h = size / height, place = placeOn(side);
  return { left: place.x - w / 2, top: place.y - h / 2, w, h };
}

function drawZoom(canvas, image, part) {
  const context = canvas.getContext('2d');
  context.fillStyle = '#888';
  context.fillRect(0, 0, canvas.width, canvas.height);
  if (!image) return context;
  context.imageSmoothingEnabled = false;
  const scaleX = canvas.width / part.w, scaleY = canvas.height / part.h;
  context.drawImage(image, -part.left * scaleX, -part.top * scaleY, scaleX, scaleY);
  return context;
}

/** The taps of the kernel, and the sampling points, over the zoomed coarse map. */
function drawReads(context, part, seen, kernel, offsets) {
  const { width, height } = context.canvas;
  const toX = (x) => ((x - part.left) / part.w) * width;
  const toY = (y) => ((y - part.top) / part.h) * height;
  const [coarseH, coarseW] = seen.coarse, [fineH, fineW] = seen.fine;
  if (kernel) {
    const most = Math.max(...kernel.numbers);
    const placeX = ((kernel.column + 0.5) * coarseW) / fineW, placeY = ((kernel.row + 0.5) * coarseH) / fineH;
    const centreX = seen.around ? placeX : Math.floor((kernel.column * coarseW) / fineW) + 0.5;
    const centreY = seen.around ? placeY : Math.floor((kernel.row * coarseH) / fineH) + 0.5;
    kernel.numbers.forEach((weight, tap) => {
      const x = centreX + (tap % kernel.columns) - (kernel.columns - 1) / 2;
      const y = centreY + Math.floor(tap / kernel.columns) - (kernel.rows - 1) / 2;
      const side = 0.25 + 0.65 * Math.sqrt(Math.max(weight, 0) / most);
      context.strokeStyle = `rgba(255, 255, 255, ${0.25 + (0.75 * weight) / most})`;
      context.lineWidth = 2;
      const corner = [toX((x - side / 2) / coarseW), toY((y - side / 2) / coarseH)];
      context.strokeRect(...corner, ((side / coarseW) * width) / part.w, ((side / coarseH) * height) / part.h);
    });
  }
  if (offsets) {
    for (let group = 0; group < offsets.rows; group++) {
      const [dx, dy] = offsets.numbers.subarray(2 * group, 2 * group + 2);
      const x = toX((offsets.column + 0.5) / fineW + dx / coarseW), y = toY((offsets.row + 0.5) / fineH + dy / coarseH);
      context.beginPath();
      context.moveTo(toX((offsets.column + 0.5) / fineW), toY((offsets.row + 0.5) / fineH));
      context.lineTo(x, y);
      context.strokeStyle = '#000';
      context.lineWidth = 1;
      context.stroke();
      context.beginPath();
      context.arc(x, y, 4, 0, 2 * Math.PI);
      context.fillStyle = `hsl(${(360 * group) / offsets.rows} 90% 55%)`;
      context.fill();
      context.stroke();
    }
  }
}

function figure(title, child) {
  const made = document.createElement('figure'), caption = document.createElement('figcaption');
  caption.textContent = title;
  made.append(caption, child);
  return made;
}

/** A table of weights, k x k, blue below zero and red above. */
function taps(found) {
  const table = document.createElement('table');
  table.className = 'taps';
  const most = Math.max(...found.numbers.map(Math.abs)) || 1;
  for (let row = 0; row < found.rows; row++) {
    const line = table.insertRow();
    for (let column = 0; column < found.columns; column++) {
      const weight = found.numbers[row * found.columns + column], cell = line.insertCell();
      cell.textContent = weight.toFixed(3);
      cell.style.background = `hsl(${weight < 0 ? 215 : 10} 80% ${100 - (50 * Math.abs(weight)) / most}%)`;
    }
  }
  return table;
}

function points(found) {
  const table = document.createElement('table');
  table.className = 'points';
  for (let group = 0; group < found.rows; group++) {
    const line = table.insertRow();
    const [dx, dy] = found.numbers.subarray(2 * group, 2 * group + 2);
    [`group ${group}`, `x ${dx.toFixed(2)}`, `y ${dy.toFixed(2)}`].forEach((text) => (line.insertCell().textContent = text));
  }
  return table;
}

async function drawSide(side, turn) {
  const { model, map } = state[side], seen = view(side), part = window_(side), place = placeOn(side);
  const shown = ['input', map, 'before'].map((key) => seen.maps[key] && picture(seen.maps[key].uri));
  const [input, after, before] = await Promise.all(shown);
  const [kernel, highpass, offsets] = await Promise.all(['kernels', 'highpass', 'offsets'].map((which) => numbersAt(place, seen, which)));
  if (turn !== turns) return; // something else was chosen meanwhile
  element(`${side}-title`).textContent = `${data.models[model].title}${seen.method ? `: ${seen.method}` : ': has no such fusion'}`;
  drawZoom(element(`${side}-zoom-input`), input, part);
  drawZoom(element(`${side}-zoom-shown`), after, part);
  const context = drawZoom(element(`${side}-zoom-before`), before, part);
  if (kernel || offsets) drawReads(context, part, seen, kernel, offsets);
  const found = kernel || offsets;
  const inside = [];
  if (kernel) inside.push(figure(`${seen.around ? 'attention' : 'kernel'} of fine pixel (${kernel.row}, ${kernel.column})`, taps(kernel)));
  if (highpass) inside.push(figure('high-pass filter of the fine map', taps(highpass)));
  if (offsets) inside.push(figure('offsets (coarse pixels)', points(offsets)));
  if (!found && seen.method) inside.push(figure(`${seen.method} predicts neither kernels nor offsets`, document.createElement('span')));
  element(`${side}-inside`).replaceChildren(...inside);
}

function drawViewer() {
  const [height, width] = imageSize('left');
  element('viewer').style.aspectRatio = `${width} / ${height}`;
  for (const id of ['viewer', 'slider']) element(id).style.width = `calc(52vh * ${width / height})`;
  const split = Number(element('slider').value);
  for (const side of SIDES) {
    const image = element(`${side}-image`), { filled } = data.models[state[side].model];
    image.src = view(side).maps[state[side].map].uri;
    [image.style.height, image.style.width] = filled.map((share) => `${100 / share}%`); // padding lies beyond the edges
  }
  element('right-image').style.clipPath = `inset(0 0 0 ${split * data.models[state.right.model].filled[1]}%)`;
  element('edge').style.left = `${split}%`;
  const part = window_('left'), [down, across] = data.models[state.left.model].filled, spot = element('spot').style;
  const sides = [part.left / across, part.top / down, part.w / across, part.h / down];
  [spot.left, spot.top, spot.width, spot.height] = sides.map((each) => `${100 * each}%`);
  element('place').textContent = `at ${Math.round(state.x * width)}, ${Math.round(state.y * height)} of ${Math.round(width)} x ${Math.round(height)}`;
}

function drawChoices() {
  fill(element('fusion'), data.fusions.map((fusion, number) => [number, fusion.name]), state.fusion);
  for (const side of SIDES) {
    const maps = view(side).maps;
    if (!maps[state[side].map]) state[side].map = 'input';
    fill(element(`${side}-model`), data.models.map((model, number) => [number, model.title]), state[side].model);
    const scale = (key) => (maps[key].low === null ? '' : ` (${maps[key].low.toPrecision(3)} to ${maps[key].high.toPrecision(3)})`);
    fill(element(`${side}-map`), Object.keys(maps).map((key) => [key, data.titles[key] + scale(key)]), state[side].map);
  }
}

let turns = 0;
async function draw() {
  const turn = ++turns;
  drawChoices();
  drawViewer();
  await Promise.all(SIDES.map((side) => drawSide(side, turn)));
  document.body.dataset.drawn = Number(document.body.dataset.drawn || 0) + 1;
}

if (data.fusions.length) {
  element('fusion').addEventListener('change', (event) => { state.fusion = Number(event.target.value); draw(); });
  for (const side of SIDES) {
    element(`${side}-model`).addEventListener('change', (event) => { state[side].model = Number(event.target.value); draw(); });
    element(`${side}-map`).addEventListener('change', (event) => { state[side].map = event.target.value; draw(); });
  }
  element('slider').addEventListener('input', drawViewer);
  element('zoom').addEventListener('input', draw);
  element('viewer').addEventListener('click', (event) => {
    const box = element('viewer').getBoundingClientRect();
    state.x = (event.clientX - box.left) / box.width;
    state.y = (event.clientY - box.top) / box.height;
    draw();
  });
  draw();
}
