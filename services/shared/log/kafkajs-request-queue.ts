/**
 * Corrects how kafkajs 2.2.4 waits, wherever it is imported in this process. After each answer it asks for a timer
 * that ends long before now, whether anything waits or not: Node 24 prints a warning, and the timer, which fires at
 * once and sets itself again, wakes an idle till a thousand times a second.
 */
import RequestQueue from 'kafkajs/src/network/requestQueue/index.js';

/** How soon requests are looked at that wait for an earlier one; the answer to that one looks too. */
const PENDING_MS = 10;

RequestQueue.prototype.scheduleCheckPendingRequests = function schedule(this: RequestQueue): void {
  // What is pushed later, while the broker throttles, asks for a look itself.
  if (this.throttleCheckTimeoutId !== null || this.pending.length === 0) return;
  const throttledMs = this.throttledUntil - Date.now();
  this.throttleCheckTimeoutId = setTimeout(
    () => {
      this.throttleCheckTimeoutId = null;
      this.checkPendingRequests();
    },
    throttledMs > 0 ? throttledMs : PENDING_MS,
  );
};
