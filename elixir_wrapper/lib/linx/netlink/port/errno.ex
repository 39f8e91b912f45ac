defmodule Linx.Netlink.Port.Errno do
  @moduledoc """
  Linux error numbers, as the atoms that Erlang uses for them, and back.

      iex> Linx.Netlink.Port.Errno.to_atom(1)
      :eperm
      iex> Linx.Netlink.Port.Errno.to_code(:emfile)
      24

  A number that has no name stays what it is, so that nothing is ever hidden:

      iex> Linx.Netlink.Port.Errno.to_atom(4095)
      :unknown
  """

  # include/uapi/asm-generic/errno-base.h and errno.h.
  @table [
    eperm: 1,
    enoent: 2,
    esrch: 3,
    eintr: 4,
    eio: 5,
    enxio: 6,
    e2big: 7,
    enoexec: 8,
    ebadf: 9,
    echild: 10,
    eagain: 11,
    enomem: 12,
    eacces: 13,
    efault: 14,
    enotblk: 15,
    ebusy: 16,
    eexist: 17,
    exdev: 18,
    enodev: 19,
    enotdir: 20,
    eisdir: 21,
    einval: 22,
    enfile: 23,
    emfile: 24,
    enotty: 25,
    etxtbsy: 26,
    efbig: 27,
    enospc: 28,
    espipe: 29,
    erofs: 30,
    emlink: 31,
    epipe: 32,
    edom: 33,
    erange: 34,
    edeadlk: 35,
    enametoolong: 36,
    enolck: 37,
    enosys: 38,
    enotempty: 39,
    eloop: 40,
    enomsg: 42,
    eidrm: 43,
    enodata: 61,
    etime: 62,
    enolink: 67,
    eproto: 71,
    ebadmsg: 74,
    eoverflow: 75,
    eilseq: 84,
    eusers: 87,
    enotsock: 88,
    edestaddrreq: 89,
    emsgsize: 90,
    eprototype: 91,
    enoprotoopt: 92,
    eprotonosupport: 93,
    esocktnosupport: 94,
    eopnotsupp: 95,
    epfnosupport: 96,
    eafnosupport: 97,
    eaddrinuse: 98,
    eaddrnotavail: 99,
    enetdown: 100,
    enetunreach: 101,
    enetreset: 102,
    econnaborted: 103,
    econnreset: 104,
    enobufs: 105,
    eisconn: 106,
    enotconn: 107,
    eshutdown: 108,
    etoomanyrefs: 109,
    etimedout: 110,
    econnrefused: 111,
    ehostdown: 112,
    ehostunreach: 113,
    ealready: 114,
    einprogress: 115,
    estale: 116,
    edquot: 122,
    ecanceled: 125,
    eownerdead: 130
  ]

  @typedoc """
  Why the port program can't be used: an error number, or what such a number doesn't tell.

    * `:no_server`: the server is not running;
    * `:other_node`: it was asked from another node;
    * `:no_launcher`: the launcher isn't there;
    * `:bad_rendezvous`: the directory of the rendezvous is not the BEAM's user's alone.
  """
  @type reason() ::
          pos_integer() | :no_server | :other_node | :no_launcher | :bad_rendezvous

  @doc "The atom for an error number, `:unknown` if it has none."
  @spec to_atom(integer()) :: atom()
  for {atom, code} <- @table do
    def to_atom(unquote(code)), do: unquote(atom)
  end

  def to_atom(code) when is_integer(code), do: :unknown

  @doc """
  The number for the reason that Erlang gave, or for one of `t:reason/0`.

  A reason that is no error number (such as `:system_limit`) becomes `EINVAL`, except the ones that
  have an obvious counterpart.
  """
  @spec to_code(term()) :: pos_integer()
  for {atom, code} <- @table do
    def to_code(unquote(atom)), do: unquote(code)
  end

  def to_code(code) when is_integer(code), do: code
  def to_code(:no_server), do: 32
  def to_code(:other_node), do: 22
  def to_code(:no_launcher), do: 2
  def to_code(:bad_rendezvous), do: 13
  def to_code(:system_limit), do: 24
  def to_code(:closed), do: 32
  def to_code(:timeout), do: 110
  def to_code(_reason), do: 22

  @doc """
  What an error number means, in words.

      iex> Linx.Netlink.Port.Errno.describe(1)
      "operation not permitted (EPERM)"
      iex> Linx.Netlink.Port.Errno.describe(4095)
      "error number 4095"
  """
  @spec describe(integer()) :: String.t()
  def describe(code) do
    case to_atom(code) do
      :unknown ->
        "error number #{code}"

      atom ->
        "#{words(atom)} (#{atom |> Atom.to_string() |> String.upcase()})"
    end
  end

  # OTP's words for these are older than Linux.
  defp words(:eperm), do: "operation not permitted"
  defp words(:enfile), do: "too many open files in the system"
  defp words(atom), do: :inet.format_error(atom)
end
