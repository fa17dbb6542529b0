/* What Python sees of the responder: a Table to write, and Servers that answer from one. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "native.h"

#include <string.h>
#include <sys/random.h>

typedef struct {
    PyObject_HEAD
    struct table *table;
    struct counts counts; /* of what Python had answered from it */
} Table;

typedef struct {
    PyObject_HEAD
    struct server *server;
    PyObject *table; /* keeps it as long as the server may read it */
    bool running;
} Server;

static PyTypeObject *table_type;

enum { NONE = NANOSECONDS + 1 }; /* an interval in which there is no room for any answer */

/* Arguments. */

static const char *text_of(PyObject *name, size_t *size)
{
    Py_ssize_t octets;
    const char *text = PyUnicode_AsUTF8AndSize(name, &octets);
    if (!text)
        return NULL;
    if (octets < 1 || octets >= MOST_NAME || text[octets - 1] != '.') {
        PyErr_Format(PyExc_ValueError, "%R is no absolute name", name);
        return NULL;
    }
    *size = (size_t)octets;
    return text;
}

static bool is_zone(Table *self, unsigned char zone)
{
    if (zone < self->table->zone_count)
        return true;
    PyErr_Format(PyExc_IndexError, "there is no zone %d", zone);
    return false;
}

static PyObject *numbers_of(struct counts *counts)
{
    PyObject *queries = PyList_New(0), *durations = PyTuple_New(BOUNDS + 1);
    for (int type = 0; queries && type < 256; type++) {
        for (int outcome = 0; outcome < OUTCOMES; outcome++) {
            uint64_t number = atomic_load_explicit(&counts->queries[type][outcome],
                                                   memory_order_relaxed);
            PyObject *row = number ? Py_BuildValue("(iiK)", type, outcome, number) : NULL;
            if (number && (!row || PyList_Append(queries, row))) {
                Py_XDECREF(row);
                Py_CLEAR(queries);
                break;
            }
            Py_XDECREF(row);
        }
    }
    for (int at = 0; durations && at <= BOUNDS; at++) {
        PyObject *number = PyLong_FromUnsignedLongLong(
            atomic_load_explicit(&counts->durations[at], memory_order_relaxed));
        if (!number || PyTuple_SetItem(durations, at, number))
            Py_CLEAR(durations);
    }
    if (!queries || !durations) {
        Py_XDECREF(queries);
        Py_XDECREF(durations);
        return NULL;
    }
    return Py_BuildValue("(NNKKK)", queries, durations, atomic_load(&counts->nanoseconds),
                         atomic_load(&counts->passed), atomic_load(&counts->overflow));
}

/*
 * Table(zones, flags, udp_size, exempt, rate)
 *
 * zones    [(apex, index of the zone that has its names), ...], the longest apex first
 * exempt   [(16 octets, bits), ...], IPv4 mapped to IPv6
 * rate     answers a second to one network of the others; -1 for no limit
 */

static bool set_zones(struct table *table, PyObject *zones)
{
    Py_ssize_t count = PyList_Size(zones);
    if (count > MOST_ZONES) {
        PyErr_Format(PyExc_ValueError, "more than %d zones", MOST_ZONES);
        return false;
    }
    for (Py_ssize_t at = 0; at < count; at++) {
        PyObject *name;
        struct zone *zone = &table->zones[at];
        size_t size;
        if (!PyArg_ParseTuple(PyList_GetItem(zones, at), "O!b", &PyUnicode_Type, &name, &zone->base))
            return false;
        const char *apex = text_of(name, &size);
        if (!apex)
            return false;
        if (zone->base >= count || (at && size > table->zones[at - 1].apex_size)) {
            PyErr_SetString(PyExc_ValueError, "zones are given by length, with one of them as base");
            return false;
        }
        memcpy(zone->apex, apex, size);
        zone->apex_size = (uint8_t)size;
    }
    table->zone_count = (size_t)count;
    return true;
}

static bool set_exempt(struct table *table, PyObject *exempt)
{
    Py_ssize_t count = PyList_Size(exempt);
    if (count > MOST_EXEMPT) {
        PyErr_Format(PyExc_ValueError, "more than %d networks", MOST_EXEMPT);
        return false;
    }
    for (Py_ssize_t at = 0; at < count; at++) {
        const char *address;
        Py_ssize_t size;
        struct network *network = &table->exempt[at];
        if (!PyArg_ParseTuple(PyList_GetItem(exempt, at), "y#b", &address, &size, &network->bits))
            return false;
        if (size != 16 || network->bits > 128) {
            PyErr_SetString(PyExc_ValueError, "a network has 16 octets, and at most 128 bits");
            return false;
        }
        memcpy(network->address, address, 16);
    }
    table->exempt_count = (size_t)count;
    return true;
}

static PyObject *table_create(PyTypeObject *type, PyObject *args, PyObject *words)
{
    PyObject *zones, *exempt;
    unsigned short flags, udp_size;
    int rate;
    uint64_t key[2];
    (void)words;
    if (!PyArg_ParseTuple(args, "O!HHO!i", &PyList_Type, &zones, &flags, &udp_size, &PyList_Type,
                          &exempt, &rate))
        return NULL;
    if (udp_size < 512 || udp_size > MOST_PACKET) {
        PyErr_Format(PyExc_ValueError, "an answer has 512 to %d octets", MOST_PACKET);
        return NULL;
    }
    if (getrandom(key, sizeof key, 0) != sizeof key)
        return PyErr_SetFromErrno(PyExc_OSError);
    Table *self = (Table *)PyType_GenericAlloc(type, 0);
    if (!self)
        return NULL;
    self->table = table_new(key);
    if (!self->table) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    self->table->flags = flags;
    self->table->udp_size = udp_size;
    self->table->interval = rate < 0 ? 0 : rate ? NANOSECONDS / (unsigned int)rate : NONE;
    if (!set_zones(self->table, zones) || !set_exempt(self->table, exempt)) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static void table_destroy(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    if (((Table *)object)->table)
        table_free(((Table *)object)->table);
    PyObject_Free(object);
    Py_DECREF(type);
}

static PyObject *done(Table *self, bool kept, PyObject *result)
{
    table_reclaim(self->table);
    if (!kept)
        return PyErr_NoMemory();
    Py_INCREF(result);
    return result;
}

static PyObject *table_method_deny(PyObject *object, PyObject *args)
{
    Table *self = (Table *)object;
    unsigned char zone;
    const char *record;
    Py_ssize_t size;
    if (!PyArg_ParseTuple(args, "bz#", &zone, &record, &size) || !is_zone(self, zone))
        return NULL;
    if (size > MOST_PACKET) {
        PyErr_SetString(PyExc_ValueError, "a record that no answer has room for");
        return NULL;
    }
    bool kept = table_deny(self->table, zone, (const uint8_t *)record, (size_t)size);
    return done(self, kept, Py_None);
}

static PyObject *table_method_mark(PyObject *object, PyObject *args)
{
    Table *self = (Table *)object;
    unsigned char zone;
    PyObject *name;
    int there;
    size_t size;
    if (!PyArg_ParseTuple(args, "bUp", &zone, &name, &there) || !is_zone(self, zone))
        return NULL;
    const char *text = text_of(name, &size);
    if (!text)
        return NULL;
    if (table_zone(self->table, text, size) != zone) {
        PyErr_Format(PyExc_ValueError, "%R is not in zone %d", name, zone);
        return NULL;
    }
    size -= self->table->zones[zone].apex_size;
    if (table_has(self->table, zone, text, size) == there)
        Py_RETURN_FALSE;
    if (!there)
        return done(self, table_remove(self->table, zone, text, size), Py_True);
    return done(self, table_add(self->table, zone, text, size), Py_True);
}

/* One rrset: (type, [record, ...], additional records, how many these are). */
static bool read_given(PyObject *rrset, struct given *given, const uint8_t **records, size_t *sizes)
{
    PyObject *list;
    const char *extra;
    Py_ssize_t extra_size;
    if (!PyArg_ParseTuple(rrset, "HO!y#H", &given->type, &PyList_Type, &list, &extra, &extra_size,
                          &given->extra_count))
        return false;
    for (Py_ssize_t at = 0; at < PyList_Size(list); at++) {
        char *record;
        Py_ssize_t size;
        if (PyBytes_AsStringAndSize(PyList_GetItem(list, at), &record, &size))
            return false;
        records[at] = (const uint8_t *)record;
        sizes[at] = (size_t)size;
    }
    given->count = (uint16_t)PyList_Size(list);
    given->records = records;
    given->sizes = sizes;
    given->extra = (const uint8_t *)extra;
    given->extra_size = (size_t)extra_size;
    return true;
}

static Py_ssize_t records_of(PyObject *rrsets)
{
    Py_ssize_t total = 0;
    for (Py_ssize_t at = 0; at < PyList_Size(rrsets); at++) {
        PyObject *rrset = PyList_GetItem(rrsets, at);
        PyObject *list = PyTuple_Check(rrset) ? PyTuple_GetItem(rrset, 1) : NULL;
        Py_ssize_t size = list && PyList_Check(list) ? PyList_Size(list) : -1;
        if (size < 0 || size >= UINT16_MAX || at >= MOST_TYPES) {
            PyErr_Clear();
            PyErr_SetString(PyExc_ValueError, "not a list of rrsets, or too long");
            return -1;
        }
        total += size;
    }
    return total;
}

static PyObject *table_method_teach(PyObject *object, PyObject *args)
{
    Table *self = (Table *)object;
    unsigned char zone;
    PyObject *name, *rrsets;
    size_t size;
    if (!PyArg_ParseTuple(args, "UbO!", &name, &zone, &PyList_Type, &rrsets) ||
        !is_zone(self, zone))
        return NULL;
    const char *text = text_of(name, &size);
    Py_ssize_t total = text ? records_of(rrsets) : -1;
    if (total < 0)
        return NULL;
    struct given given[MOST_TYPES];
    const uint8_t **records = PyMem_Malloc(((size_t)total + 1) * sizeof *records);
    size_t *sizes = PyMem_Malloc(((size_t)total + 1) * sizeof *sizes);
    Py_ssize_t at = 0, used = 0, count = PyList_Size(rrsets);
    bool kept = records && sizes;
    while (kept && at < count &&
           read_given(PyList_GetItem(rrsets, at), &given[at], records + used, sizes + used))
        used += given[at++].count;
    if (kept && at == count)
        kept = table_teach(self->table, text, size, zone, given, (size_t)count);
    PyMem_Free(records);
    PyMem_Free(sizes);
    return kept && at < count ? NULL : done(self, kept, Py_None);
}

static PyObject *table_method_forget(PyObject *object, PyObject *name)
{
    Table *self = (Table *)object;
    size_t size;
    const char *text = text_of(name, &size);
    if (!text)
        return NULL;
    bool found = table_forget(self->table, text, size);
    return done(self, true, found ? Py_True : Py_False);
}

static PyObject *table_method_known(PyObject *object, PyObject *names)
{
    Table *self = (Table *)object;
    PyObject *known = PyList_New(0), *iterator = PyObject_GetIter(names), *name = NULL;
    while (known && iterator && (name = PyIter_Next(iterator))) {
        Py_ssize_t size;
        const char *text = PyUnicode_AsUTF8AndSize(name, &size);
        if (!text || (table_knows(self->table, text, (size_t)size) && PyList_Append(known, name)))
            Py_CLEAR(known);
        Py_DECREF(name);
    }
    Py_XDECREF(iterator);
    if (PyErr_Occurred())
        Py_CLEAR(known);
    return known;
}

static PyObject *table_method_answer(PyObject *object, PyObject *query)
{
    Table *self = (Table *)object;
    struct question question;
    uint8_t out[MOST_PACKET];
    char *octets;
    Py_ssize_t size;
    if (PyBytes_AsStringAndSize(query, &octets, &size))
        return NULL;
    /* The writer needs not enter: nothing is freed meanwhile. */
    size_t found = 0;
    if (question_read(&question, self->table, (const uint8_t *)octets, (size_t)size))
        found = question_answer(&question, self->table, &self->counts, out);
    if (!found)
        Py_RETURN_NONE;
    return PyBytes_FromStringAndSize((const char *)out, (Py_ssize_t)found);
}

/* The name that a plain query is about, in small letters; None for any other query. */
static PyObject *table_method_asked(PyObject *object, PyObject *query)
{
    struct question question;
    char *octets;
    Py_ssize_t size;
    if (PyBytes_AsStringAndSize(query, &octets, &size))
        return NULL;
    if (!question_read(&question, ((Table *)object)->table, (const uint8_t *)octets, (size_t)size))
        Py_RETURN_NONE;
    return PyUnicode_DecodeLatin1(question.text, question.text_size, NULL);
}

static PyObject *table_method_counts(PyObject *object, PyObject *none)
{
    (void)none;
    return numbers_of(&((Table *)object)->counts);
}

static PyObject *table_size(PyObject *object, void *none)
{
    (void)none;
    return PyLong_FromSize_t(((Table *)object)->table->size);
}

static PyMethodDef table_methods[] = {
    {"deny", table_method_deny, METH_VARARGS, NULL},
    {"mark", table_method_mark, METH_VARARGS, NULL},
    {"teach", table_method_teach, METH_VARARGS, NULL},
    {"forget", table_method_forget, METH_O, NULL},
    {"known", table_method_known, METH_O, NULL},
    {"answer", table_method_answer, METH_O, NULL},
    {"asked", table_method_asked, METH_O, NULL},
    {"counts", table_method_counts, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef table_values[] = {{"size", table_size, NULL, NULL, NULL},
                                     {NULL, NULL, NULL, NULL, NULL}};

static PyType_Slot table_slots[] = {{Py_tp_new, table_create},
                                    {Py_tp_dealloc, table_destroy},
                                    {Py_tp_methods, table_methods},
                                    {Py_tp_getset, table_values},
                                    {0, NULL}};

static PyType_Spec table_spec = {"pointsman.dns._native.Table", sizeof(Table), 0,
                                 Py_TPFLAGS_DEFAULT, table_slots};

/* Server(table, socket, up, name) */

static PyObject *server_create(PyTypeObject *type, PyObject *args, PyObject *words)
{
    PyObject *table;
    int socket, up;
    const char *name;
    (void)words;
    if (!PyArg_ParseTuple(args, "O!iis", table_type, &table, &socket, &up, &name))
        return NULL;
    Server *self = (Server *)PyType_GenericAlloc(type, 0);
    if (!self)
        return NULL;
    self->server = server_start(((Table *)table)->table, socket, up, name);
    if (!self->server) {
        Py_DECREF(self);
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    Py_INCREF(table);
    self->table = table;
    self->running = true;
    return (PyObject *)self;
}

static PyObject *server_method_stop(PyObject *object, PyObject *none)
{
    Server *self = (Server *)object;
    (void)none;
    if (self->running) {
        self->running = false;
        Py_BEGIN_ALLOW_THREADS;
        server_stop(self->server);
        Py_END_ALLOW_THREADS;
    }
    Py_RETURN_NONE;
}

static void server_destroy(PyObject *object)
{
    Server *self = (Server *)object;
    PyTypeObject *type = Py_TYPE(object);
    if (self->server) {
        Py_XDECREF(server_method_stop(object, NULL));
        server_free(self->server);
    }
    Py_XDECREF(self->table);
    PyObject_Free(object);
    Py_DECREF(type);
}

static PyObject *server_method_use(PyObject *object, PyObject *table)
{
    Server *self = (Server *)object;
    if (!PyObject_TypeCheck(table, table_type)) {
        PyErr_SetString(PyExc_TypeError, "not a Table");
        return NULL;
    }
    Py_INCREF(table);
    Py_BEGIN_ALLOW_THREADS;
    server_use(self->server, ((Table *)table)->table);
    Py_END_ALLOW_THREADS;
    PyObject *before = self->table;
    self->table = table;
    Py_DECREF(before);
    Py_RETURN_NONE;
}

static PyObject *server_method_counts(PyObject *object, PyObject *none)
{
    (void)none;
    return numbers_of(&server_reader(((Server *)object)->server)->counts);
}

static PyMethodDef server_methods[] = {
    {"use", server_method_use, METH_O, NULL},
    {"stop", server_method_stop, METH_NOARGS, NULL},
    {"counts", server_method_counts, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot server_slots[] = {{Py_tp_new, server_create},
                                     {Py_tp_dealloc, server_destroy},
                                     {Py_tp_methods, server_methods},
                                     {0, NULL}};

static PyType_Spec server_spec = {"pointsman.dns._native.Server", sizeof(Server), 0,
                                  Py_TPFLAGS_DEFAULT, server_slots};

static int added(PyObject *module, const char *name, PyType_Spec *spec, PyTypeObject **kept)
{
    PyObject *type = PyType_FromSpec(spec);
    if (!type)
        return -1;
    if (kept)
        *kept = (PyTypeObject *)type; /* for good, as the module is */
    int failed = PyModule_AddObjectRef(module, name, type);
    if (!kept || failed)
        Py_DECREF(type);
    return failed;
}

static int filled(PyObject *module)
{
    if (added(module, "Table", &table_spec, &table_type) ||
        added(module, "Server", &server_spec, NULL))
        return -1;
    return 0;
}

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, filled}, {0, NULL}};

static PyModuleDef module = {PyModuleDef_HEAD_INIT, "_native", NULL, 0, NULL, module_slots,
                             NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__native(void)
{
    return PyModuleDef_Init(&module);
}
