// Package metal is the Metal backend of package engine, for the GPUs of Apple's M chips. The Metal framework is opened
// when the program runs; on other systems the package builds and says that there is none.
//
// Metal compiles the text of kernels when the GPU is opened, and a kernel for the GPU when it is first used. macOS keeps what
// comes of both in files (Apple, WWDC 2022, session 10102), for programs without a bundle too: of a new llama-server the log
// says "loaded in 7.138 sec", from the second start on "0.007 sec". An archive of our own (MTLBinaryArchive) would hold the
// second part alone, and so save something only where the system has thrown its files away; it would cost files to write, to
// check and to remove, which nobody has seen work here. There is none.
package metal
