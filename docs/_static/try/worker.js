// Recalls in a thread of their own, so that a long one stops no slider.
import { answer } from "./recall.js";

onmessage = ({ data: { described, question } }) => {
  try {
    postMessage(answer(described, question));
  } catch (error) {
    postMessage({ error: error.message });
  }
};
