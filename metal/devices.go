package metal

import "fmt"

// Device is a GPU of this machine.
type Device struct {
	Name string
	// Family is Apple's: 7 is M1, 8 M2, 9 M3 and M4, 10 M5. 7 is needed.
	Family int
	// Memory is how many bytes of the machine's memory work well together on the GPU.
	Memory int64
}

// Usable tells whether the kernels run on it.
func (d Device) Usable() bool { return d.Family >= leastFamily }

// Describe is one line for people.
func (d Device) Describe() string {
	text := fmt.Sprintf("%s, GPU family %d", d.Name, d.Family)
	if !d.Usable() {
		text += " (of no use: 7 or later is needed)"
	}
	return text
}

// Devices lists the GPUs: one, on a Mac.
func Devices() (list []Device, err error) {
	o, err := loadObjC()
	if err != nil {
		return nil, err
	}
	o.pool(func() {
		if handle := o.systemDevice(); handle != 0 {
			p := describe(o, handle)
			list = append(list, Device{Name: p.name, Family: p.family, Memory: p.memory})
			o.send(handle, release)
		}
	})
	return list, nil
}

// openDevice opens the GPU with the kernels.
func openDevice() (device, error) {
	o, err := loadObjC()
	if err != nil {
		return nil, err
	}
	return openGPU(o, kernelSource())
}
