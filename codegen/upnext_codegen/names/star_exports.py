"""The names that a star import brings from modules outside the project, the same for every Python version."""

from __future__ import annotations

_LISTS = {
    "collections": """
        ChainMap Counter OrderedDict UserDict UserList UserString defaultdict deque namedtuple
    """,
    "collections.abc": """
        AsyncGenerator AsyncIterable AsyncIterator Awaitable Buffer ByteString Callable Collection Container
        Coroutine Generator Hashable ItemsView Iterable Iterator KeysView Mapping MappingView MutableMapping
        MutableSequence MutableSet Reversible Sequence Set Sized ValuesView
    """,
    "dataclasses": """
        Field FrozenInstanceError InitVar KW_ONLY MISSING asdict astuple dataclass field fields is_dataclass
        make_dataclass replace
    """,
    "datetime": """
        MAXYEAR MINYEAR UTC date datetime time timedelta timezone tzinfo
    """,
    "decimal": """
        BasicContext Clamped Context Decimal DecimalException DecimalTuple DefaultContext DivisionByZero
        ExtendedContext FloatOperation HAVE_CONTEXTVAR HAVE_THREADS IEEEContext IEEE_CONTEXT_MAX_BITS Inexact
        InvalidOperation MAX_EMAX MAX_PREC MIN_EMIN MIN_ETINY Overflow ROUND_05UP ROUND_CEILING ROUND_DOWN
        ROUND_FLOOR ROUND_HALF_DOWN ROUND_HALF_EVEN ROUND_HALF_UP ROUND_UP Rounded Subnormal Underflow
        getcontext localcontext setcontext
    """,
    "enum": """
        CONFORM CONTINUOUS EJECT Enum EnumCheck EnumDict EnumMeta EnumType Flag FlagBoundary IntEnum IntFlag
        KEEP NAMED_FLAGS ReprEnum STRICT StrEnum UNIQUE auto global_enum global_enum_repr global_flag_repr
        global_str member nonmember pickle_by_enum_name pickle_by_global_name property unique verify
    """,
    "pathlib": """
        Path PosixPath PurePath PurePosixPath PureWindowsPath UnsupportedOperation WindowsPath
    """,
    "typing": """
        AbstractSet Annotated Any AnyStr AsyncContextManager AsyncGenerator AsyncIterable AsyncIterator
        Awaitable BinaryIO ByteString Callable ChainMap ClassVar Collection Concatenate Container
        ContextManager Coroutine Counter DefaultDict Deque Dict Final ForwardRef FrozenSet Generator Generic
        Hashable IO ItemsView Iterable Iterator KeysView List Literal LiteralString Mapping MappingView Match
        MutableMapping MutableSequence MutableSet NamedTuple Never NewType NoDefault NoReturn NotRequired
        Optional OrderedDict ParamSpec ParamSpecArgs ParamSpecKwargs Pattern Protocol ReadOnly Required
        Reversible Self Sequence Set Sized SupportsAbs SupportsBytes SupportsComplex SupportsFloat
        SupportsIndex SupportsInt SupportsRound TYPE_CHECKING Text TextIO Tuple Type TypeAlias TypeAliasType
        TypeGuard TypeIs TypeVar TypeVarTuple TypedDict Union Unpack ValuesView assert_never assert_type cast
        clear_overloads dataclass_transform evaluate_forward_ref final get_args get_origin get_overloads
        get_protocol_members get_type_hints is_protocol is_typeddict no_type_check no_type_check_decorator
        overload override reveal_type runtime_checkable
    """,
    "typing_extensions": """
        AbstractSet Annotated Any AnyStr AsyncContextManager AsyncGenerator AsyncIterable AsyncIterator
        Awaitable BinaryIO Buffer Callable CapsuleType ChainMap ClassVar Collection Concatenate Container
        ContextManager Coroutine Counter DefaultDict Deque Dict Doc Final Format ForwardRef FrozenSet
        Generator Generic Hashable IO IntVar ItemsView Iterable Iterator KeysView List Literal LiteralString
        Mapping MappingView Match MutableMapping MutableSequence MutableSet NamedTuple Never NewType NoDefault
        NoExtraItems NoReturn NotRequired Optional OrderedDict ParamSpec ParamSpecArgs ParamSpecKwargs Pattern
        Protocol ReadOnly Reader Required Reversible Self Sentinel Sequence Set Sized SupportsAbs
        SupportsBytes SupportsComplex SupportsFloat SupportsIndex SupportsInt SupportsRound TYPE_CHECKING Text
        TextIO Tuple Type TypeAlias TypeAliasType TypeForm TypeGuard TypeIs TypeVar TypeVarTuple TypedDict
        Union Unpack ValuesView Writer assert_never assert_type cast clear_overloads dataclass_transform
        deprecated disjoint_base evaluate_forward_ref final get_annotations get_args get_origin
        get_original_bases get_overloads get_protocol_members get_type_hints is_protocol is_typeddict
        no_type_check no_type_check_decorator overload override reveal_type runtime runtime_checkable sentinel
        type_repr
    """,
    "upnext": """
        Api BrokerError BrokerRefusedError BrokerUnavailableError ConfigError Context DeadLetter Discard Event
        Formerly HookedJob HookedSend Hooks Job JobDiscardedError JobFailedError JobLostError PROVIDED PayloadError
        PayloadProblem Provide Receipt ResultError ResultExpiredError ResultTimeoutError ResultTypeError
        RetryLater SendOutcomeUnknownError Sender ServiceImportError Task Transaction TypedEvent UpnextError Worker
        add_hooks get_current_context remove_hooks run
    """,
    "uuid": """
        MAX NAMESPACE_DNS NAMESPACE_OID NAMESPACE_URL NAMESPACE_X500 NIL RESERVED_FUTURE RESERVED_MICROSOFT
        RESERVED_NCS RFC_4122 SafeUUID UUID getnode uuid1 uuid3 uuid4 uuid5 uuid6 uuid7 uuid8
    """,
}

STARS = {module: frozenset(names.split()) for module, names in _LISTS.items()}
"""By module; what any version from Python 3.11 on has."""
