// Package metal is the Metal backend of package engine, for the GPUs of Apple's M chips. The Metal framework is opened
// when the program runs; on other systems the package builds and says that there is none.
package metal
