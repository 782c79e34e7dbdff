package runnables

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Quantity is how much of a resource a runner asks for: an amount, all that the
// machine has, or certain devices. The zero Quantity asks for nothing in
// particular.
type Quantity struct {
	form   quantityForm
	amount float64
	ids    []string
	wish   bool
}

type quantityForm uint8

const (
	unsaid quantityForm = iota
	someOf
	allOf
	theseOf
)

// Amount asks for so many units, which may be a fraction.
func Amount(n float64) Quantity { return Quantity{form: someOf, amount: n} }

// System asks for all that the machine has.
func System() Quantity { return Quantity{form: allOf} }

// Devices asks for these devices, by index or UUID.
func Devices(ids ...string) Quantity { return Quantity{form: theseOf, ids: slices.Clone(ids)} }

// Wish is the same for whoever can use it: a runnable that cannot does without.
func (q Quantity) Wish() Quantity {
	q.wish = q.Given()
	return q
}

// IsWish reports whether a runnable that cannot use the resource does without.
func (q Quantity) IsWish() bool { return q.wish }

// Given reports whether anything is asked for.
func (q Quantity) Given() bool { return q.form != unsaid }

// All reports whether all of the machine is asked for.
func (q Quantity) All() bool { return q.form == allOf }

// Amount is how many units are asked for: of devices their number. It is 0 where
// all or nothing in particular is.
func (q Quantity) Amount() float64 {
	if q.form == theseOf {
		return float64(len(q.ids))
	}
	return q.amount
}

// IDs are the devices that are asked for by name, if they are.
func (q Quantity) IDs() []string { return slices.Clone(q.ids) }

// ErrQuantity is wrapped by errors about quantities that cannot be.
var ErrQuantity = errors.New("not a quantity")

// ParseQuantity reads what runner files have:
//
//	4, 2.5, "4"          so many units
//	"500m"               thousandths of a unit: half of one
//	"system"             all of the machine
//	[0, 2], ["GPU-…"]    certain devices; [] is 0 units
//	nil                  nothing in particular
func ParseQuantity(v any) (Quantity, error) {
	switch v := v.(type) {
	case nil:
		return Quantity{}, nil
	case int:
		return amountOf(float64(v))
	case int64:
		return amountOf(float64(v))
	case uint64:
		return amountOf(float64(v))
	case float64:
		return amountOf(v)
	case string:
		return parseQuantity(v)
	case []any:
		return devicesOf(v)
	}
	return Quantity{}, fmt.Errorf(`%w: %v; want a number, "500m", "system" or a list of devices`, ErrQuantity, v)
}

func amountOf(n float64) (Quantity, error) {
	if !(n >= 0) || math.IsInf(n, 0) {
		return Quantity{}, fmt.Errorf("%w: %v; want a number from 0", ErrQuantity, n)
	}
	return Amount(n), nil
}

func parseQuantity(s string) (Quantity, error) {
	if s == "system" {
		return System(), nil
	}
	digits, thousandths := strings.CutSuffix(s, "m")
	n, err := strconv.ParseFloat(digits, 64)
	if err != nil {
		return Quantity{}, fmt.Errorf(`%w: %q; want a number, "500m", "system" or a list of devices`, ErrQuantity, s)
	}
	if thousandths {
		n /= 1000
	}
	return amountOf(n)
}

func devicesOf(list []any) (Quantity, error) {
	ids := make([]string, 0, len(list))
	for _, v := range list {
		id := ""
		switch v := v.(type) {
		case string:
			id = v
		case int, int64, uint64:
			id = fmt.Sprint(v)
		}
		if id == "" || strings.HasPrefix(id, "-") || strings.Contains(id, ",") {
			return Quantity{}, fmt.Errorf("%w: device %v; want an index from 0 or a UUID", ErrQuantity, v)
		}
		if slices.Contains(ids, id) {
			return Quantity{}, fmt.Errorf("%w: device %s is there twice", ErrQuantity, id)
		}
		ids = append(ids, id)
	}
	if len(ids) == 0 {
		return Amount(0), nil
	}
	return Devices(ids...), nil
}

// String is the quantity as runner files have it.
func (q Quantity) String() string {
	switch q.form {
	case someOf:
		return strconv.FormatFloat(q.amount, 'g', -1, 64)
	case allOf:
		return "system"
	case theseOf:
		return "[" + strings.Join(q.ids, ", ") + "]"
	default:
		return ""
	}
}

// MarshalJSON writes what [ParseQuantity] reads.
func (q Quantity) MarshalJSON() ([]byte, error) {
	switch q.form {
	case someOf:
		return json.Marshal(q.amount)
	case allOf:
		return json.Marshal("system")
	case theseOf:
		return json.Marshal(q.ids)
	default:
		return []byte("null"), nil
	}
}
