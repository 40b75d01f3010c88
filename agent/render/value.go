package render

import "fmt"

// Value is a value of a template's data that tells when its text is asked for, whatever way the template takes to it:
// printing, a function, a comparison, a part. So what comes out of a template is known to hold it, and nobody has to
// read the template for that.
type Value struct {
	// A pointer, because fmt prints the fields of a struct without asking its methods once it is in an error of its own.
	text  *string
	asked func()
}

// NewValue is a value that calls asked whenever its text is asked for. An empty text is no Value but "", so that a
// template's if and not see that it is empty.
func NewValue(text string, asked func()) any {
	if text == "" {
		return ""
	}
	return Value{&text, asked}
}

// String is the text.
func (v Value) String() string {
	v.asked()
	return *v.text
}

// Format writes the text as the verb says.
func (v Value) Format(f fmt.State, verb rune) { fmt.Fprintf(f, fmt.FormatString(f, verb), v.String()) }

// MarshalText is the text, for the encoders.
func (v Value) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// opened takes the text out of a Value; anything else stays what it is.
func opened(value any) any {
	if v, ok := value.(Value); ok {
		return v.String()
	}
	return value
}
