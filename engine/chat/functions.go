package chat

import (
	"fmt"
	"strings"
	"time"

	"github.com/nikolalohinski/gonja/v2/builtins"
	"github.com/nikolalohinski/gonja/v2/exec"
)

// pythonRange is range() as a list: gonja's own counts in a goroutine and has no limit.
func pythonRange(params *exec.VarArgs) (*exec.Value, error) {
	start, stop, step := 0, 0, 1
	switch a := params.Args; len(a) {
	case 1:
		stop = a[0].Integer()
	case 2:
		start, stop = a[0].Integer(), a[1].Integer()
	case 3:
		start, stop, step = a[0].Integer(), a[1].Integer(), a[2].Integer()
	default:
		return nil, fmt.Errorf("range takes 1 to 3 numbers")
	}
	if step == 0 {
		return nil, fmt.Errorf("range: step 0")
	}
	list := []any{}
	for i := start; step > 0 && i < stop || step < 0 && i > stop; i += step {
		if len(list) == maxRange {
			return nil, fmt.Errorf("range has more than %d items", maxRange)
		}
		list = append(list, i)
	}
	return exec.AsValue(list), nil
}

// strftimeNow formats the time of day by a C format; the directives are those of dates in templates.
func strftimeNow(format string) string {
	now := time.Now()
	return strings.NewReplacer("%d", now.Format("02"), "%m", now.Format("01"), "%Y", now.Format("2006"),
		"%y", now.Format("06"), "%b", now.Format("Jan"), "%B", now.Format("January"), "%a", now.Format("Mon"),
		"%A", now.Format("Monday"), "%H", now.Format("15"), "%M", now.Format("04"), "%S", now.Format("05"),
		"%j", now.Format("002"), "%%", "%").Replace(format)
}

// methods are gonja's, with the string methods that ask for arguments which Python lets go.
func methods() exec.Methods {
	m := builtins.Methods
	strip := func(cut func(s, set string) string) exec.Method[string] {
		return func(self string, _ *exec.Value, args *exec.VarArgs) (any, error) {
			if len(args.Args) == 0 {
				return cut(self, " \t\n\r\v\f"), nil
			}
			return cut(self, args.First().String()), nil
		}
	}
	own := map[string]exec.Method[string]{
		"strip":  strip(strings.Trim),
		"lstrip": strip(strings.TrimLeft),
		"rstrip": strip(strings.TrimRight),
		"replace": func(self string, _ *exec.Value, args *exec.VarArgs) (any, error) {
			if len(args.Args) != 2 {
				return nil, fmt.Errorf("replace takes two strings")
			}
			return strings.ReplaceAll(self, args.Args[0].String(), args.Args[1].String()), nil
		},
		"split": func(self string, _ *exec.Value, args *exec.VarArgs) (any, error) {
			if len(args.Args) == 0 {
				return strings.Fields(self), nil
			}
			n := -1
			if len(args.Args) > 1 {
				n = args.Args[1].Integer() + 1
			}
			return strings.SplitN(self, args.First().String(), n), nil
		},
	}
	for _, name := range []string{"startswith", "endswith", "upper", "lower", "title", "capitalize", "join", "find", "count"} {
		if method, ok := builtins.Methods.Str.Get(name); ok {
			own[name] = method
		}
	}
	m.Str = exec.NewMethodSet(own)
	return m
}
