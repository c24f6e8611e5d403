// Recalls in a thread of their own, so that a long one stops no slider.
import { recall } from "./recall.js";

onmessage = ({ data: { described, question } }) => {
  try {
    postMessage(recall(described, question));
  } catch (error) {
    postMessage({ error: error.message });
  }
};
