package main

import (
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progress returns a function that shows how many bytes are done, with MB/s and
// the time left, and one that removes the bar.
func (c *console) progress(what string) (update func(done, total int64), finish func()) {
	var mu sync.Mutex
	var bar *progressbar.ProgressBar
	update = func(done, total int64) {
		mu.Lock()
		defer mu.Unlock()
		if bar == nil {
			bar = progressbar.NewOptions64(total,
				progressbar.OptionSetDescription(what),
				progressbar.OptionSetWriter(c.err),
				progressbar.OptionSetVisibility(c.errTerminal),
				progressbar.OptionShowBytes(true),
				progressbar.OptionShowTotalBytes(true),
				progressbar.OptionSetPredictTime(true),
				progressbar.OptionSetElapsedTime(true),
				progressbar.OptionUseANSICodes(c.color),
				progressbar.OptionThrottle(100*time.Millisecond),
				progressbar.OptionSetWidth(24),
				progressbar.OptionClearOnFinish(),
			)
		}
		bar.Set64(done)
	}
	return update, func() {
		mu.Lock()
		defer mu.Unlock()
		if bar != nil {
			bar.Clear()
		}
	}
}

// lateProgress is progress that shows after a second, if it takes as long.
func (c *console) lateProgress(what string) (update func(done, total int64), finish func()) {
	start := time.Now()
	show, finish := c.progress(what)
	return func(done, total int64) {
		if time.Since(start) > time.Second {
			show(done, total)
		}
	}, finish
}
