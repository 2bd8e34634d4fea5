/* -*- c++ -*- */
// SPDX-License-Identifier: GPL-3.0-or-later

#include <cmath>
#include <optional>
#include <pmt/pmt.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <string>
#include <tuple>
#include <vector>

namespace py = pybind11;

namespace {

//! What the value of a key is in PMT, and what is expected where it is something else.
enum class value_type { u64, integer, f64, symbol };

value_type to_type(const std::string& name)
{
    for (const auto& [text, type] : { std::pair("u64", value_type::u64),
                                      std::pair("int", value_type::integer),
                                      std::pair("f64", value_type::f64),
                                      std::pair("sym", value_type::symbol) }) {
        if (name == text) {
            return type;
        }
    }
    throw std::invalid_argument("type \"" + name +
                                "\" is not known; choose u64, int, f64 or sym");
}

const char* expected_of(value_type type)
{
    switch (type) {
    case value_type::f64:
        return "a finite real number";
    case value_type::symbol:
        return "a symbol";
    default:
        return "an integer of at least 0";
    }
}

py::object read_value(const pmt::pmt_t& value, value_type type)
{
    switch (type) {
    case value_type::f64:
        if (pmt::is_real(value)) {
            const double number = pmt::to_double(value);
            return std::isfinite(number) ? py::float_(number) : py::object();
        }
        return {};
    case value_type::symbol:
        return pmt::is_symbol(value) ? py::str(pmt::symbol_to_string(value))
                                     : py::object();
    default:
        if (pmt::is_uint64(value)) {
            return py::int_(pmt::to_uint64(value));
        }
        return pmt::is_integer(value) && pmt::to_long(value) >= 0
                   ? py::int_(pmt::to_long(value))
                   : py::object();
    }
}

pmt::pmt_t make_value(py::handle value, value_type type)
{
    switch (type) {
    case value_type::u64:
        return pmt::from_uint64(value.cast<std::uint64_t>());
    case value_type::integer:
        return pmt::from_long(value.cast<long>());
    case value_type::f64:
        return pmt::from_double(value.cast<double>());
    default:
        return pmt::intern(value.cast<std::string>());
    }
}

/*!
 * Between objects of a Python class and dictionaries of PMT.
 *
 * Python would ask pmt for every key of every object; this does so for all at once.
 */
class record
{
public:
    using field_type = std::tuple<std::string, std::string, bool>;

    record(const std::string& what,
           py::object type,
           py::object error,
           const std::vector<field_type>& fields)
        : d_what(what),
          d_type(std::move(type)),
          d_error(std::move(error)),
          d_names(fields.size())
    {
        for (const auto& [name, type_name, is_required] : fields) {
            PyObject* text = PyUnicode_InternFromString(name.c_str());
            d_names[d_fields.size()] = py::reinterpret_steal<py::object>(text);
            d_fields.push_back(
                { name, pmt::intern(name), to_type(type_name), is_required });
        }
    }

    //! Dictionary of an object's attributes; what is None is left out.
    pmt::pmt_t to_pmt(py::handle object) const
    {
        pmt::pmt_t dict = pmt::make_dict();
        for (std::size_t i = 0; i < d_fields.size(); i++) {
            const field& entry = d_fields[i];
            const py::object value = py::getattr(object, py::object(d_names[i]));
            if (value.is_none()) {
                continue;
            }
            try {
                dict = pmt::acons(entry.key, make_value(value, entry.type), dict);
            } catch (const py::cast_error&) {
                throw py::type_error(d_what + ": " + entry.name + " is " +
                                     std::string(py::repr(value)) + ", expected " +
                                     expected_of(entry.type));
            }
        }
        return dict;
    }

    //! The object of a dictionary; keys that it does not know are passed over.
    py::object from_pmt(const pmt::pmt_t& dict) const
    {
        if (!pmt::is_dict(dict)) {
            refuse(" is " + pmt::write_string(dict) + ", expected a dictionary");
        }
        const std::vector<py::object> values = read(dict);
        std::vector<PyObject*> arguments(values.size() + 1, nullptr);
        for (std::size_t i = 0; i < values.size(); i++) {
            arguments[i + 1] = values[i].ptr();
        }
        PyObject* object = PyObject_Vectorcall(d_type.ptr(),
                                               arguments.data() + 1,
                                               PY_VECTORCALL_ARGUMENTS_OFFSET,
                                               d_names.ptr());
        if (!object) {
            throw py::error_already_set();
        }
        return py::reinterpret_steal<py::object>(object);
    }

    //! Vector of the dictionaries of a sequence.
    pmt::pmt_t to_vector(const py::sequence& objects) const
    {
        const std::size_t count = objects.size();
        const pmt::pmt_t vector = pmt::make_vector(count, pmt::PMT_NIL);
        for (std::size_t i = 0; i < count; i++) {
            pmt::vector_set(vector, i, to_pmt(py::object(objects[i])));
        }
        return vector;
    }

    //! Tuple of the objects of a vector.
    py::tuple from_vector(const pmt::pmt_t& vector) const
    {
        if (!pmt::is_vector(vector) || pmt::is_uniform_vector(vector)) {
            refuse(": " + pmt::write_string(vector) + " is no vector of dictionaries");
        }
        const std::size_t count = pmt::length(vector);
        py::tuple objects(count);
        for (std::size_t i = 0; i < count; i++) {
            objects[i] = from_pmt(pmt::vector_ref(vector, i));
        }
        return objects;
    }

private:
    struct field {
        std::string name;
        pmt::pmt_t key;
        value_type type;
        bool is_required;
    };

    //! A value for each field, None for those that are absent.
    std::vector<py::object> read(const pmt::pmt_t& dict) const
    {
        std::vector<pmt::pmt_t> found(d_fields.size());
        std::size_t next = 0; // dictionaries made alike have their keys in one order
        for (pmt::pmt_t rest = pmt::dict_items(dict); pmt::is_pair(rest);
             rest = pmt::cdr(rest)) {
            const pmt::pmt_t entry = pmt::car(rest);
            const auto place = find(pmt::car(entry), next);
            if (place && !found[*place]) { // of two the newer one, which comes first
                found[*place] = pmt::cdr(entry);
                next = *place;
            }
        }
        std::vector<py::object> values(d_fields.size());
        for (std::size_t i = 0; i < d_fields.size(); i++) {
            values[i] = found[i] ? read_value(found[i], d_fields[i].type) : py::none();
            if (!values[i]) {
                refuse(": " + d_fields[i].name + " is " + pmt::write_string(found[i]) +
                       ", expected " + expected_of(d_fields[i].type));
            }
            if (!found[i] && d_fields[i].is_required) {
                refuse(" lacks the key " + d_fields[i].name);
            }
        }
        return values;
    }

    //! Place of the field with a key, looked for downwards from `next`.
    std::optional<std::size_t> find(const pmt::pmt_t& key, std::size_t next) const
    {
        const std::size_t count = d_fields.size();
        for (std::size_t step = 0; step < count; step++) {
            const std::size_t place = (next + 2 * count - 1 - step) % count;
            if (d_fields[place].key == key) { // symbols are interned
                return place;
            }
        }
        return std::nullopt;
    }

    [[noreturn]] void refuse(const std::string& reason) const
    {
        PyErr_SetString(d_error.ptr(), (d_what + reason).c_str());
        throw py::error_already_set();
    }

    const std::string d_what;
    const py::object d_type;
    const py::object d_error;
    py::tuple d_names;
    std::vector<field> d_fields;
};

} // namespace

void bind_records(py::module& m)
{
    py::class_<record>(
        m,
        "record",
        "Turns objects of a class into PMT dictionaries and back, one or a whole "
        "vector.\n\n"
        "``what`` names such an object where ``error`` is raised because a value does "
        "not "
        "fit.\n"
        "``fields``: a key, which is also the name of attribute and argument; u64, int, "
        "f64 or sym;\n"
        "and whether it must be there.  An attribute that is None is left out.")
        .def(py::init<const std::string&,
                      py::object,
                      py::object,
                      const std::vector<record::field_type>&>(),
             py::arg("what"),
             py::arg("type"),
             py::arg("error"),
             py::arg("fields"))
        .def("to_pmt", &record::to_pmt, "Dictionary of an object.")
        .def("from_pmt", &record::from_pmt, "Object of a dictionary.")
        .def("to_vector", &record::to_vector, "Vector of the dictionaries of a sequence.")
        .def("from_vector", &record::from_vector, "Tuple of the objects of a vector.");
}
