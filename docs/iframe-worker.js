// A page that was opened as a file may start no worker. There, the worker of the search runs in a
// hidden frame instead, with the same messages in and out.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      frame.answer = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
      frame.srcdoc = `<script>postMessage = (data) => frameElement.answer(data)</script>
        <script src="${url}"></script>`;
      this.inside = new Promise((ready) => {
        frame.onload = () => ready(frame.contentWindow);
      });
      document.body.append(frame);
    }

    async postMessage(data) {
      (await this.inside).dispatchEvent(new MessageEvent("message", { data }));
    }
  };
}
