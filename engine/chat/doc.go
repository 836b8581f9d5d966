// Package chat turns conversations into prompts by the Jinja template that a
// model file carries, byte for byte as transformers' apply_chat_template does,
// and what the model wrote back into messages.
package chat
