// Package chat renders conversations into prompts through the Jinja template that a checkpoint carries.
package chat
