// The video of a clip: small pictures, the nearest one to the clock, and the landmarks that were seen in it.

const SIDES = { left: "#2fd08a", right: "#ff7a4d", "": "#f4d35e" };
const FAINT = 0.3; // visibility below which a bone is drawn thin

class Film {
  constructor(root) {
    this.root = root; this.canvas = root.querySelector("canvas"); this.said = root.querySelector("p"); this.film = null; this.at = 0;
    new ResizeObserver(() => this.draw()).observe(root);
  }

  say(text) { this.said.textContent = text; this.said.hidden = !text; }

  async show(clip) {
    this.clip = clip; this.film = null;
    this.arrange();
    if (!clip.film) return;
    let film = clip.film;
    if (film === true) {
      this.say("Reading the video …");
      try {
        film = clip.film = await asking(`/film/${state.number}`);
      } catch (error) {
        if (this.clip === clip) this.say(error.message);
        return;
      }
      if (this.clip !== clip) return; // another one has been chosen since
    }
    this.say(film.pictures.length ? "" : "The video has no picture of this clip.");
    this.film = film;
    this.images = film.pictures.map((jpeg) => { const image = new Image(); image.onload = () => this.draw(); image.src = `data:image/jpeg;base64,${jpeg}`; return image; });
    this.draw();
  }

  arrange() { // room for it beside the body, or above it where it is wide
    const main = document.querySelector("main"), first = this.images?.[0];
    const wide = Boolean(this.film && first && first.naturalWidth > first.naturalHeight);
    this.root.hidden = !this.clip.film;
    main.classList.toggle("filmed", Boolean(this.clip.film));
    main.classList.toggle("wide", wide);
  }

  seek(seconds) { this.at = seconds; this.draw(); }

  number() { // of the last picture that is not later
    const times = this.film.times;
    let low = 0, high = times.length - 1;
    while (low < high) { const middle = Math.ceil((low + high) / 2); if (times[middle] <= this.at + 1e-6) low = middle; else high = middle - 1; }
    return low;
  }

  draw() {
    const g = this.canvas.getContext("2d"), sharp = Math.min(window.devicePixelRatio || 1, 2);
    if (!this.film || !this.images.length) { g.clearRect(0, 0, this.canvas.width, this.canvas.height); return; }
    const number = this.number(), image = this.images[number];
    if (!image.complete || !image.naturalWidth) return;
    this.arrange();
    const [w, h] = [this.root.clientWidth, this.root.clientHeight];
    if (!w || !h) return;
    [this.canvas.width, this.canvas.height] = [Math.round(w * sharp), Math.round(h * sharp)];
    const scale = Math.min(w / image.naturalWidth, h / image.naturalHeight), [wide, high] = [scale * image.naturalWidth, scale * image.naturalHeight];
    const [left, top] = [(w - wide) / 2, (h - high) / 2];
    g.scale(sharp, sharp);
    g.drawImage(image, left, top, wide, high);
    g.save(); g.beginPath(); g.rect(left, top, wide, high); g.clip();
    g.lineCap = "round";
    const points = this.film.points[number], seen = this.film.visibility[number];
    for (const [a, b, side] of this.film.bones) {
      const sure = Math.min(seen[a], seen[b]);
      if (!sure) continue;
      g.strokeStyle = SIDES[side]; g.lineWidth = sure < FAINT ? 0.8 : 2.6;
      g.beginPath(); g.moveTo(left + wide * points[a][0], top + high * points[a][1]); g.lineTo(left + wide * points[b][0], top + high * points[b][1]); g.stroke();
    }
    g.restore();
  }
}
